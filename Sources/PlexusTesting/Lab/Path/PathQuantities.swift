/// Rates, times, sizes and shares as people write them: `100mbit`, `40ms`, `500KB`, `1%`.
public enum PathQuantity {
  /// Bits a second: a number with `bit`, `kbit`, `mbit` or `gbit`, in either case; nil if it is none or out of range.
  public static func rate(_ text: some StringProtocol) -> Int? {
    scaled(text, units: ["bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9]).flatMap(whole)
  }

  /// A time: a number with `us`, `ms` or `s`; nil if it is none or out of range.
  public static func duration(_ text: some StringProtocol) -> Duration? {
    scaled(text, units: ["us": 1e3, "ms": 1e6, "s": 1e9]).flatMap(whole).map { .nanoseconds($0) }
  }

  /// Bytes: a number with `B`, `KB`, `MB` (powers of 1000), `KiB` or `MiB` (of 1024), in either case, or without a unit; nil if it is
  /// none or out of range.
  public static func bytes(_ text: some StringProtocol) -> Int? {
    scaled(text, units: ["": 1, "b": 1, "kb": 1e3, "mb": 1e6, "kib": 1024, "mib": 1_048_576]).flatMap(whole)
  }

  /// A share, 0 to 1, from a percentage such as `0.5%`; nil if it is none.
  public static func share(_ text: some StringProtocol) -> Double? {
    scaled(text, units: ["%": 0.01]).flatMap { $0 <= 1 ? $0 : nil }
  }

  /// Plain decimals only: Double would take hexadecimal, exponents, signs and infinities too.
  private static func scaled(_ text: some StringProtocol, units: [String: Double]) -> Double? {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits), let unit = units[text.dropFirst(digits.count).lowercased()] else { return nil }
    return number * unit
  }

  /// Far beyond all that a path can be, and far from what overflows.
  private static func whole(_ value: Double) -> Int? { value < 1e15 ? Int(value.rounded()) : nil }
}
