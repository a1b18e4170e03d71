/// What the scripts of labs and paths have in common: they take everything away that bears their prefix, and what owners that are gone left.
enum LabCleanup {
  /// A prefix that no other lab's names have, and that names the process that owns it.
  static func newPrefix(owner: Int32) -> String {
    "plx\(owner)x\(String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16))-"
  }

  /// Begins a script of `sh`: whenever it ends, and however, all namespaces of that prefix go, with their processes and files.
  static func prologue(prefix: String, temporaryDirectory: some StringProtocol) -> String {
    [
      removal(temporaryDirectory), "trap 'remove \(prefix)' EXIT", "trap 'exit 1' HUP INT TERM", sweep,
    ].joined(separator: "\n")
  }

  /// Processes may fork while they are listed, and take a moment to die, so it lists again until none is left.
  private static func removal(_ temporaryDirectory: some StringProtocol) -> String {
    """
    set -eu
    \(Lab.shellPath)
    remove() {
      trap '' HUP INT TERM
      set +e
      round=0
      while [ $((round += 1)) -lt 100 ]; do
        pids=$(for file in /run/netns/"$1"*; do [ ! -e "$file" ] || ip netns pids "${file##*/}" 2>/dev/null; done)
        [ -n "$pids" ] || break
        kill -KILL $pids 2>/dev/null
      done
      for file in /run/netns/"$1"*; do
        [ -e "$file" ] && ip netns del "${file##*/}" 2>/dev/null
      done
      rm -rf -- "\(temporaryDirectory)/$1lab"
    }
    """
  }

  /// Takes away labs and paths whose owner is gone and whose script was killed too.
  private static var sweep: String {
    """
    for file in /run/netns/plx*x*-net /run/netns/plx*x*-left; do
      stale=${file##*/}
      stale=${stale%-*}-
      owner=${stale#plx}
      owner=${owner%%x*}
      [ ! -e "$file" ] || [ -e "/proc/$owner" ] || (remove "$stale")
    done
    """
  }
}
