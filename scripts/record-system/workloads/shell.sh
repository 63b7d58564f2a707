# A shell forks and executes small programs: many page faults, many page tables that live for a moment.
for round in 1 2 3 4 5 6 7 8; do
  ls -l /bin
  cat /proc/meminfo | grep -i mem | wc -l
  find /sys/kernel | head -50 | sort | tail -1
done
