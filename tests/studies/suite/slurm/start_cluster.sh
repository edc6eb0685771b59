#!/usr/bin/env bash
# Starts a Slurm cluster of this one machine, for tests; as root, with Debian's packages slurm-wlm and munge:
#   apt-get install -y slurm-wlm munge
#   tests/transfer/suite/slurm/start_cluster.sh
# Does nothing where it runs already, and leaves any other cluster and its configuration alone (exit code 3).
set -euo pipefail

STATE=/var/lib/slurm-test  # what tells this cluster from others
CONF=${SLURM_CONF:-/etc/slurm/slurm.conf}
if sinfo --noheader >/dev/null 2>&1; then
    scontrol show config | grep "^StateSaveLocation *= $STATE/" >/dev/null && exit 0
    echo "the Slurm cluster that answers here is none for tests" >&2
    exit 3
fi
if [ -s "$CONF" ] && ! grep -q "^StateSaveLocation=$STATE/" "$CONF"; then
    echo "$CONF belongs to another cluster, and would be overwritten" >&2
    exit 3
fi
for program in munged slurmctld slurmd; do
    command -v "$program" >/dev/null || { echo "no $program: apt-get install -y slurm-wlm munge" >&2; exit 3; }
done
[ "$(id -u)" = 0 ] || { echo "a cluster for tests is started as root" >&2; exit 3; }

HOST=$(hostname -s)
mkdir -p "$STATE/ctld" "$STATE/d" /run/munge /var/log/munge /etc/munge "$(dirname "$CONF")"
if [ ! -s /etc/munge/munge.key ]; then
    dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none
fi
chown -R munge:munge /etc/munge /run/munge /var/log/munge /var/lib/munge
chmod 0400 /etc/munge/munge.key
chmod 0755 /run/munge
pgrep -x munged >/dev/null || runuser -u munge -- /usr/sbin/munged

cat >"$CONF" <<CONF
ClusterName=test
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
# A job that was put back into the queue waits this many seconds; 120 if nobody says so.
AuthInfo=cred_expire=5
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$STATE/d
SlurmctldPidFile=/run/slurmctld-test.pid
SlurmdPidFile=/run/slurmd-test.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=1
SchedulerType=sched/backfill
KillWait=30
MpiDefault=none
ReturnToService=2
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=test Nodes=$HOST Default=YES MaxTime=INFINITE State=UP
CONF
slurmctld
slurmd
for _ in $(seq 60); do
    if sinfo --noheader --format %T 2>/dev/null | grep -qE '^(idle|mixed|allocated)'; then
        exit 0
    fi
    sleep 0.5
done
echo "the cluster did not come up; see $STATE/*.log" >&2
exit 1
