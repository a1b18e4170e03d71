import Datagrams
import LibC

extension LocalAddresses {
  /// IPv6 addresses that will be gone tomorrow (temporary, deprecated) or cannot be used yet (tentative).
  static func unsteadyAddresses() -> Set<IPAddress> {
    guard let file = fopen("/proc/net/if_inet6", "re") else { return [] }
    defer { fclose(file) }
    var addresses: Set<IPAddress> = []
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      if let address = unsteadyAddress(in: text) { addresses.insert(address) }
    }
    return addresses
  }

  /// A line is the address in 32 digits, interface number, prefix length, scope, flags, all hexadecimal, and the name.
  static func unsteadyAddress(in line: String) -> IPAddress? {
    let fields = line.split(separator: " ")
    // IFA_F_TEMPORARY, IFA_F_DADFAILED, IFA_F_DEPRECATED and IFA_F_TENTATIVE of linux/if_addr.h.
    guard fields.count >= 5, fields[0].count == 32, let flags = UInt32(fields[4], radix: 16),
      flags & (0x01 | 0x08 | 0x20 | 0x40) != 0,
      let high = UInt64(fields[0].prefix(16), radix: 16), let low = UInt64(fields[0].suffix(16), radix: 16)
    else { return nil }
    return .v6(high: high, low: low)
  }
}
