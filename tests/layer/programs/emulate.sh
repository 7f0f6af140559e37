#!/bin/sh
# Runs AWS's emulator where /opt is the layer and /var/task a function: emulate.sh OPT TASK RIE N
set -eu
opt=$1 task=$2 rie=$3 invocations=$4
mount --bind "$opt" /opt
mount -t tmpfs none /var
mkdir /var/task
cp "$task"/* /var/task
ip link set lo up
"$rie" /var/task/bootstrap >&2 &
emulator=$!
url=http://127.0.0.1:8080/2015-03-31/functions/function/invocations
for n in $(seq "$invocations"); do
  curl -sS --retry 20 --retry-connrefused --retry-delay 1 --max-time 20 -d "{\"n\": $n}" "$url"
  echo
  sleep 0.3 # the runtime asks for the next event only after its answer
done
sleep 1 # the emulator buffers telemetry for a tenth of it
kill -TERM $emulator
wait $emulator || true
