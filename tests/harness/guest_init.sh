#!/bin/busybox sh
# The guest's first and only program: load drivers, wait for the NICs, then run what the host says on the second
# serial port.  A request is one line, "ID BASE64"; the answer is one line, "@ID STATUS BASE64".
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /tmp /bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
echo 3 > /proc/sys/kernel/printk
word() { for one in $(cat /proc/cmdline); do case $one in "$1"=*) echo "${one#*=}";; esac; done; }
order=/modules/order
[ "$(word shim.storage)" = 1 ] && order="$order /modules/order.storage"
for module in $(cat $order); do insmod "/modules/$module" || echo "insmod $module failed"; done
nics=$(word shim.nics)
tries=0
while [ "$(ls -d /sys/class/net/eth* 2>/dev/null | wc -l)" -lt "${nics:-0}" ] && [ $tries -lt 400 ]; do
  usleep 25000; tries=$((tries + 1))
done
for nic in /sys/class/net/eth*; do [ -e "$nic" ] && ip link set "${nic##*/}" up; done
ip link set lo up
mkdir -p /var/log /var/run
acpid -f -c /etc/acpi > /tmp/acpid.log 2>&1 &
tries=0  # it writes its number when it has opened the buttons: one that is pressed before is not heard of
until [ -e /var/run/acpid.pid ] || [ $tries -ge 400 ]; do usleep 25000; tries=$((tries + 1)); done
exec < /dev/ttyS1 > /dev/ttyS1 2> /tmp/init.err
stty raw -echo
while true; do
  read -r id text || { usleep 50000; continue; }
  case $id in ''|*[!0-9a-f]*) continue;; esac
  echo "$text" | base64 -d > /tmp/command 2>/dev/null || continue
  sh /tmp/command > /tmp/output 2>&1 < /dev/null
  status=$?
  echo "@$id $status $(base64 < /tmp/output | tr -d '\n')"
done
