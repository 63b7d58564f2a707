# A pipe of utilities: sort, awk, gzip.
seq 1 20000 | awk '{print ($1 * 7919) % 20011, $1}' | sort -n | uniq | gzip -c | md5sum
