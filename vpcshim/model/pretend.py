"""Answers for operations that are not done: a dry run hands out tasks that have ended well."""

from __future__ import annotations

from vpcshim.com.member import Member
from vpcshim.model.base import ModelObject
from vpcshim.model.task import Task
from vpcshim.model.work import Work


def returns_task(member: Member) -> bool:
    """Whether the member is declared to hand out an IVMTask."""
    return member.getter.__annotations__.get("return") in ("Task", Task)


def pretended_task(of: ModelObject, description: str) -> Task:
    """A task that did nothing and ended well; the server's `Tasks` do not list it."""
    work = Work(description, lambda _work: None)
    work._go(of._failure_, lambda _work: None)
    return Task(of._product_, of._server, of._options, work)
