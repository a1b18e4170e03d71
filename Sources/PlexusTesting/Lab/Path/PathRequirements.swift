import LibC

extension EmulatedPath {
  /// What this machine lacks for paths: a program, or the right to make TUN devices in network namespaces, which is really tried.
  public static let missing: [Lab.Missing] = {
    guard Lab.findProgram("ip") != nil else { return [Lab.Missing(what: "the program ip", package: "iproute2")] }
    guard mayMakeDevices() else {
      return [
        Lab.Missing(
          what:
            "the right to make network namespaces and TUN devices (run it as root, in a container as a privileged one "
            + "with /dev/net/tun)", package: nil)
      ]
    }
    return []
  }()

  /// Whether paths can be made here.
  public static var isAvailable: Bool { missing.isEmpty }

  /// Why paths cannot be made here, in one sentence.
  public static var missingSentence: String {
    missing.isEmpty
      ? "This machine has all that a path needs."
      : "A path needs \(missing.map(\.description).joined(separator: ", "))."
  }

  private static func mayMakeDevices() -> Bool {
    let name = "plx\(getpid())xprobe\(UInt16.random(in: 0...UInt16.max))"
    // system() on purpose: this is asked in synchronous places, once, and takes some 20 milliseconds.
    let status = system(
      """
      exec >/dev/null 2>&1 </dev/null
      \(Lab.shellPath)
      ip netns add \(name) || exit 1
      ip -n \(name) tuntap add dev \(PathTopology.device) mode tun
      result=$?
      ip netns del \(name)
      exit $result
      """)
    return status == 0
  }
}
