"""What a machine may be called."""

from __future__ import annotations

import pytest

from vpcshim import HRESULT
from vpcshim.com.errors import Failure
from vpcshim.com.member import Product
from vpcshim.model.names import check_new_name

VS, VPC = Product.VIRTUAL_SERVER, Product.VIRTUAL_PC


@pytest.mark.parametrize(
    ("product", "name"), [(VS, "x" * 150), (VS, "ü" * 119), (VPC, "x" * 80), (VPC, "\U0001f40e" * 59), (VS, "a b")]
)
def test_a_name_that_fits(product: Product, name: str) -> None:
    check_new_name(name, product)


@pytest.mark.parametrize(
    ("product", "name"), [(VS, "x" * 151), (VS, "ü" * 120), (VPC, "x" * 81), (VPC, "\U0001f40e" * 60)]
)
def test_a_name_that_is_too_long_for_the_product_or_for_a_file(product: Product, name: str) -> None:
    with pytest.raises(Failure) as caught:
        check_new_name(name, product)
    assert caught.value.code is HRESULT.VM_E_CONFIG_NAME_TOO_LONG
    assert len(caught.value.description) < 200


@pytest.mark.parametrize("name", ["a/b", "a\nb", "a\ud800", ".", "..", 'a"'])
def test_a_name_that_holds_what_none_may(name: str) -> None:
    with pytest.raises(Failure) as caught:
        check_new_name(name, VS)
    assert caught.value.code is HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR
