import LibC

extension Lab {
  /// Something that a machine needs for labs and does not have.
  public struct Missing: Hashable, Sendable, CustomStringConvertible {
    /// What is lacking, as a noun phrase.
    public let what: String
    /// The Debian package that brings it; nil if it is not a matter of packages.
    public let package: String?

    /// ``what``, and the package to install.
    public var description: String { package.map { "\(what) (package \($0))" } ?? what }
  }

  /// What this machine lacks for labs: programs, or the right to make network namespaces, which is really tried.
  public static let missing: [Missing] = {
    let programs = [
      ("ip", "iproute2"), ("nft", "nftables"), ("turnserver", "coturn"), ("dhtnode", "dhtnode"),
      ("conntrack", "conntrack"),
    ]
    let absent = programs.filter { findProgram($0.0) == nil }
      .map { Missing(what: "the program \($0.0)", package: $0.1) }
    guard !absent.contains(where: { $0.package == "iproute2" || $0.package == "nftables" }) else { return absent }
    return mayMakeNamespaces() ? absent : absent + [Missing(what: namespaceRight, package: nil)]
  }()

  /// Whether labs can be made here.
  public static var isAvailable: Bool { missing.isEmpty }

  /// Why labs cannot be made here, in one sentence.
  public static var missingSentence: String {
    missing.isEmpty
      ? "This machine has all that a lab needs." : "A lab needs \(missing.map(\.description).joined(separator: ", "))."
  }

  private static let namespaceRight =
    "the right to make network namespaces with NAT (run it as root, in a container as a privileged one)"

  /// Builds the smallest thing that takes all the rights and kernel features of a lab.
  private static func mayMakeNamespaces() -> Bool {
    let name = "plx\(getpid())xprobe\(UInt16.random(in: 0...UInt16.max))"
    // system() on purpose: this is asked in synchronous places, once, and takes some 30 milliseconds.
    let status = system(
      """
      exec >/dev/null 2>&1 </dev/null
      \(shellPath)
      ip netns add \(name) || exit 1
      ip netns exec \(name) sh -ec 'echo 1 >/proc/sys/net/ipv4/ip_forward
      ip link add eth0 type veth peer name eth1
      nft "table ip nat { chain leaving { type nat hook postrouting priority 100; oifname eth0 masquerade; }; }"'
      result=$?
      ip netns del \(name)
      exit $result
      """)
    return status == 0
  }
}
