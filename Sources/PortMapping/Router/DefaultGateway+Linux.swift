import Datagrams
import LibC

/// The router that datagrams to the internet at large leave by.
enum DefaultGateway {
  /// Asks the kernel's table of routes; nil without a default route that has a gateway.
  static func current() -> IPAddress? {
    guard let file = fopen("/proc/net/route", "re") else { return nil }
    defer { fclose(file) }
    var best: (gateway: IPAddress, metric: Int)?
    var line = [CChar](repeating: 0, count: 512)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      guard let route = gateway(in: text), best.map({ route.metric < $0.metric }) ?? true else { continue }
      best = route
    }
    return best?.gateway
  }

  /// A line is interface, destination, gateway, flags, references, uses, metric, mask; numbers in hexadecimal but the metric, addresses
  /// with their bytes in the order of this machine's memory.
  static func gateway(in line: String) -> (gateway: IPAddress, metric: Int)? {
    let fields = line.split(whereSeparator: \.isWhitespace)
    guard fields.count >= 8, let destination = UInt32(fields[1], radix: 16), let mask = UInt32(fields[7], radix: 16),
      destination == 0, mask == 0, let gateway = UInt32(fields[2], radix: 16), gateway != 0,
      let flags = UInt32(fields[3], radix: 16), flags & hasGateway != 0, let metric = Int(fields[6])
    else { return nil }
    return (.v4(UInt32(bigEndian: gateway)), metric)
  }

  /// RTF_UP and RTF_GATEWAY of route(4); a route that is not up is not in the table.
  private static let hasGateway: UInt32 = 0x2
}
