/// Names and addresses of a path's two namespaces, and the scripts that make and configure them.
///
/// The addresses are of 198.18.0.0/15, which is for benchmarks (RFC 2544).
struct PathTopology: Hashable, Sendable {
  /// Begins every name, and names the process that owns the path.
  let prefix: String
  /// Where the path's files are.
  let directory: String

  /// The interface of each host.
  static let device = "path0"
  static let leftAddress = "198.18.0.1"
  static let rightAddress = "198.18.0.2"
  /// A TUN device drops what it has no room for. This is a twentieth of a second of 1500 bytes at 4 Gbit/s: longer than the emulator ever
  /// leaves it alone.
  private static let interfaceQueue = 16384

  var left: String { prefix + "left" }
  var right: String { prefix + "right" }
  var leftDirectory: String { "\(directory)/left" }
  var rightDirectory: String { "\(directory)/right" }

  /// The topology of a new path, under a name that no other one has.
  ///
  /// - Throws: ``LabError`` with code ``LabError/Code/invalidTopology``.
  init(name: String?, owner: Int32, temporaryDirectory: String) throws(LabError) {
    if let name {
      guard (1...32).contains(name.utf8.count),
        name.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) })
      else {
        throw LabError(.invalidTopology, "a path's name is 1 to 32 lower-case letters and digits, not “\(name)”")
      }
    }
    prefix = LabCleanup.newPrefix(owner: owner) + (name.map { "\($0)-" } ?? "")
    directory = "\(temporaryDirectory)/\(prefix)lab"
  }

  /// Makes the namespaces, says `built`, and takes them away when its standard input ends.
  func script(temporaryDirectory: String) -> String {
    """
    \(LabCleanup.prologue(prefix: prefix, temporaryDirectory: temporaryDirectory))
    mkdir -p -m 0700 \(directory)
    mkdir \(leftDirectory) \(rightDirectory)
    ip netns add \(left)
    ip netns add \(right)
    echo built
    while read -r _; do :; done

    """
  }

  /// Raises the interfaces, which the emulator has made.
  func configuration(_ conditions: PathConditions) -> String {
    """
    \(Lab.shellPath)
    \(end(left, address: Self.leftAddress, mtu: conditions.leftToRight.mtu))
    \(end(right, address: Self.rightAddress, mtu: conditions.rightToLeft.mtu))
    """
  }

  private func end(_ namespace: String, address: String, mtu: Int) -> String {
    // What an earlier connection saw of the path must not steer the next one's measurement.
    """
    ip netns exec \(namespace) sh -ec 'ip -batch - <<END
    link set lo up
    link set \(Self.device) mtu \(mtu) txqueuelen \(Self.interfaceQueue) addrgenmode none
    link set \(Self.device) up
    addr add \(address)/24 dev \(Self.device)
    END
    echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save'
    """
  }
}
