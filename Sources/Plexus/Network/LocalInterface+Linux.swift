import LibC

extension LocalInterface {
  /// The interfaces with a default route, each once.
  static func uplinks() -> [String] {
    // Interface, destination, gateway, flags, …: all numbers hexadecimal, addresses of this byte order.
    let v4 = lines(of: "/proc/net/route").compactMap { fields in
      fields.count >= 8 && fields[1] == "00000000" && fields[7] == "00000000" ? fields[0] : nil
    }
    // Destination, its length, source, its length, next hop, metric, references, use, flags, interface. What the kernel rejects goes to lo.
    let v6 = lines(of: "/proc/net/ipv6_route").compactMap { fields in
      fields.count >= 10 && fields[1] == "00" && fields[0].allSatisfy { $0 == "0" } && fields[9] != "lo"
        ? fields[9] : nil
    }
    return (v4 + v6).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  static func mtu(of name: String) -> Int? {
    lines(of: "/sys/class/net/\(name)/mtu").first?.first.flatMap { Int($0) }
  }

  /// Longer tables are those of routers of the internet; their first lines do.
  private static let maximumLines = 4096

  private static func lines(of path: String) -> [[String]] {
    guard let file = fopen(path, "re") else { return [] }
    defer { fclose(file) }
    var lines: [[String]] = []
    var line = [CChar](repeating: 0, count: 256)
    while lines.count < maximumLines, fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      lines.append(text.split(whereSeparator: \.isWhitespace).map(String.init))
    }
    return lines
  }
}
