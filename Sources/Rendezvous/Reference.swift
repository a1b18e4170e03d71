import Datagrams

/// What one side tells the other: where it can be met, and its half of the shared secret.
///
/// On the wire it is one line, `PLEXUS 3.0 ADDRESS PORT PUZZLE`. The address is public knowledge to the two; the puzzle is
/// half of a secret and belongs in no log.
public struct Reference: Hashable, Sendable {
  /// The public address and port, as a STUN server saw them.
  public let endpoint: Endpoint
  /// A random number. A secret.
  public let puzzle: UInt64
  /// What is told beyond the line.
  public let supplement: Supplement
  /// Whether the sender will speak a stream secured by TLS over the passage, if the other does, too.
  public let offersSecureStream: Bool

  /// The number of bytes that a line may have. Ours have at most 80; newer releases of the reference send longer ones.
  public static let lengthAtMost = 1024

  /// Joins an endpoint and a puzzle.
  ///
  /// - Throws: ``ReferenceError/badEndpoint`` unless a datagram can be sent there.
  public init(
    endpoint: Endpoint, puzzle: UInt64, supplement: Supplement = .unsupported, offersSecureStream: Bool = false
  ) throws(ReferenceError) {
    let address = endpoint.address.unmapped
    guard endpoint.port != 0, address.isUnicast else { throw .badEndpoint }
    self.init(
      unchecked: Endpoint(address: address, port: endpoint.port), puzzle, supplement,
      offersSecureStream && supplement.isSupported)
  }

  private init(unchecked endpoint: Endpoint, _ puzzle: UInt64, _ supplement: Supplement, _ offersSecureStream: Bool) {
    (self.endpoint, self.puzzle, self.supplement) = (endpoint, puzzle, supplement)
    self.offersSecureStream = offersSecureStream
  }

  /// The same with another supplement.
  public func with(_ supplement: Supplement) -> Reference {
    Reference(unchecked: endpoint, puzzle, supplement, offersSecureStream && supplement.isSupported)
  }

  /// Reads a line: five fields between white space, which may also surround them. A ``Mark`` behind the last field is that of those who know companions.
  public init(line: String) throws(ReferenceError) {
    guard line.utf8.count <= Self.lengthAtMost else { throw .tooLong }
    let fields = line.whiteSpaceFields
    guard fields.first == "PLEXUS", fields.count >= 2 else { throw .notAReference }
    switch fields[1] {
    case "3.0": try self.init(fields: fields.dropFirst(2), mark: line.mark)
    default: throw .unknownVersion
    }
  }

  /// Address, port and puzzle of version 3.0.
  private init(fields: ArraySlice<Substring>, mark: Mark?) throws(ReferenceError) {
    let fields = Array(fields)
    guard fields.count == 3 else { throw .notAReference }
    guard let address = IPAddress(String(fields[0])), let port = UInt16(digits: fields[1]) else { throw .badEndpoint }
    guard let puzzle = UInt64(digits: fields[2]) else { throw .badPuzzle }
    try self.init(
      endpoint: Endpoint(address: address, port: port), puzzle: puzzle,
      supplement: mark == nil ? .unsupported : .missing, offersSecureStream: mark == .companionAndSecureStream)
  }

  /// The line in version 3.0, which every peer understands. Readers allow white space around it, so the mark disturbs none.
  public var line: String {
    "PLEXUS 3.0 \(endpoint.address) \(endpoint.port) \(puzzle)" + (mark?.rawValue ?? "")
  }

  private var mark: Mark? {
    guard supplement.isSupported else { return nil }
    return offersSecureStream ? .companionAndSecureStream : .companion
  }

  /// White space that nobody writes by chance.
  fileprivate enum Mark: String, CaseIterable {
    case companion = " \t "
    case companionAndSecureStream = " \t \t "
  }

  /// The number that both payloads get: the same on both sides, known to nobody else.
  public func secret(with peer: Reference) -> UInt64 { puzzle ^ peer.puzzle }
}

extension Reference: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The endpoint, never the puzzle.
  public var description: String { "\(endpoint) (puzzle not shown)" }
  /// As ``description``.
  public var debugDescription: String { description }
  /// Only the endpoint: `dump` and test failures print mirrors.
  public var customMirror: Mirror { Mirror(self, children: ["endpoint": endpoint]) }
}

/// Why a line is no reference that we can use.
public enum ReferenceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// More bytes than a line has.
  case tooLong
  /// No line of five fields that begins with the word.
  case notAReference
  /// A version that this release does not know.
  case unknownVersion
  /// Nothing can be sent to the address and port.
  case badEndpoint
  /// The puzzle is no number of 64 bits.
  case badPuzzle

  /// What is wrong, without any of what the peer wrote.
  public var description: String {
    switch self {
    case .tooLong: "the line is too long"
    case .notAReference: "it is no reference"
    case .unknownVersion: "it is a reference of another version than 3.0"
    case .badEndpoint: "its address or port is none that a datagram can be sent to"
    case .badPuzzle: "its puzzle is no unsigned 64-bit number"
    }
  }
}

extension String {
  /// What stands behind the last digit, line ends aside, if it is a mark.
  fileprivate var mark: Reference.Mark? {
    var text = Substring(self).utf8
    while let last = text.last, last == UInt8(ascii: "\r") || last == UInt8(ascii: "\n") { text.removeLast() }
    let count = text.reversed().prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.count
    return Reference.Mark.allCases.first { $0.rawValue.utf8.elementsEqual(text.suffix(count)) }
  }

  /// The parts between spaces, tabs, carriage returns and line feeds. Other white space is not known to the reference.
  var whiteSpaceFields: [Substring] {
    split(omittingEmptySubsequences: true) { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" || $0 == "\r\n" }
  }
}

extension FixedWidthInteger {
  /// Reads decimal digits and nothing else: `init(_:)` would take a sign.
  init?(digits text: Substring) {
    guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else { return nil }
    self.init(text)
  }
}
