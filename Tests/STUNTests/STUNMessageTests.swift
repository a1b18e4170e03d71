import Datagrams
import PlexusTesting
import Testing

@testable import STUN

@Suite struct STUNMessageTests {
  /// RFC 5769 2.1, 2.2 and 2.3.
  private static let sampleRequest = bytes(
    """
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff
    80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249
    c1b571a2 80280004 e57a3bcf
    """)
  private static let sampleResponseV4 = bytes(
    """
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200008 0001a147 e112a643
    00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96
    """)
  private static let sampleResponseV6 = bytes(
    """
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200014 0002a147 0113a9fa
    a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c
    """)

  private static func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  @Test func theSampleRequestOfTheRFCIsRead() throws {
    let message = try STUNMessage(decoding: Self.sampleRequest)
    #expect(message.messageClass == .request)
    #expect(message.method == STUNMessage.bindingMethod)
    #expect(message.software == "STUN test client")
    #expect(message.hasFingerprint)
    // PRIORITY of ICE is nothing that we understand.
    #expect(message.unknownComprehensionRequired == [0x0024])
  }

  @Test(arguments: [
    (sampleResponseV4, "192.0.2.1:32853"), (sampleResponseV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
  ])
  func theSampleResponsesOfTheRFCAreRead(_ sample: [UInt8], _ mapped: String) throws {
    let message = try STUNMessage(decoding: sample)
    #expect(message.messageClass == .success)
    #expect(message.mappedEndpoint?.description == mapped)
    #expect(message.software == "test vector")
    #expect(message.hasFingerprint)
    #expect(message.unknownComprehensionRequired.isEmpty)
  }

  @Test func aFingerprintIsWrittenAsItIsRead() throws {
    var message = try STUNMessage(decoding: Self.sampleResponseV4)
    // The sample pads with spaces, we with zeros: so only an own message can be compared whole.
    message.attributes.removeAll { $0.type == 0x0008 }
    #expect(try STUNMessage(decoding: message.encoded()) == message)
    #expect(CRC32.checksum(of: Array("123456789".utf8)) == 0xCBF4_3926)
  }

  @Test func everySingleBitFlipUnderAFingerprintIsNoticed() {
    for index in Self.sampleResponseV4.indices {
      for bit in 0..<8 {
        var flipped = Self.sampleResponseV4
        flipped[index] ^= 1 << bit
        let decoded = try? STUNMessage(decoding: flipped)
        // A flip in the type of FINGERPRINT itself leaves a message without one.
        #expect(decoded?.hasFingerprint != true)
      }
    }
  }

  @Test(arguments: [sampleRequest, sampleResponseV4, sampleResponseV6])
  func truncatedMessagesAreRefused(_ sample: [UInt8]) {
    for length in 0..<sample.count {
      #expect(throws: STUNDecodingError.self) { try STUNMessage(decoding: Array(sample.prefix(length))) }
    }
    #expect(throws: STUNDecodingError.wrongLength) { try STUNMessage(decoding: sample + [0, 0, 0, 0]) }
  }

  @Test func messagesOfAnyContentSurviveTheWire() throws {
    var random = TestSeeds.printed()
    for _ in 0..<1000 {
      let message = Self.randomMessage(using: &random)
      #expect(try STUNMessage(decoding: message.encoded()) == message)
    }
  }

  @Test func anyBytesAreReadOrRefusedAndWhatIsReadCanBeWritten() throws {
    var random = TestSeeds.printed()
    for round in 0..<4000 {
      var bytes: [UInt8]
      if round.isMultiple(of: 2) {
        bytes = (0..<Int.random(in: 0...120, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        // Half of those with a header that gets the reader to the attributes.
        if bytes.count >= 20, round.isMultiple(of: 4) {
          bytes.removeLast(bytes.count & 3)
          bytes.replaceSubrange(0..<8, with: [1, 1, 0, UInt8(bytes.count - 20), 0x21, 0x12, 0xA4, 0x42])
        }
      } else {
        bytes = Self.randomMessage(using: &random).encoded()
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
      }
      guard let message = try? STUNMessage(decoding: bytes) else { continue }
      #expect(try STUNMessage(decoding: message.encoded()) == message)
    }
  }

  @Test func theLargestDatagramsAreBounded() throws {
    let id = Self.transactionID
    let padding = STUNMessage(.request, transactionID: id, attributes: [.padding(count: 65_000)])
    #expect(try STUNMessage(decoding: padding.encoded()) == padding)
    let empty = STUNMessage(
      .request, transactionID: id, attributes: Array(repeating: .other(type: 0x8FFF, value: []), count: 65))
    #expect(throws: STUNDecodingError.tooManyAttributes) { try STUNMessage(decoding: empty.encoded()) }
  }

  @Test func malformedRequiredAttributesAreRefusedAndOptionalOnesKept() throws {
    let id = Self.transactionID
    let required = STUNMessage(.success, transactionID: id, attributes: [.other(type: 0x0020, value: [0, 3, 1, 2])])
    #expect(throws: STUNDecodingError.malformedAttribute(type: 0x0020)) {
      try STUNMessage(decoding: required.encoded())
    }
    let optional = STUNMessage(.success, transactionID: id, attributes: [.other(type: 0x802C, value: [0, 3, 1, 2])])
    #expect(try STUNMessage(decoding: optional.encoded()) == optional)
  }

  @Test func serversOfRFC3489AreUnderstood() throws {
    let (mapped, changed) = (try #require(Endpoint("192.0.2.7:9")), try #require(Endpoint("192.0.2.8:10")))
    let message = STUNMessage(
      .success, transactionID: STUNTransactionID(cookie: 7, high: 1, low: 2),
      attributes: [.mappedAddress(mapped), .sourceAddress(changed), .changedAddress(changed)])
    let decoded = try STUNMessage(decoding: message.encoded())
    #expect(decoded == message)
    #expect(decoded.transactionID.isClassic)
    #expect(decoded.mappedEndpoint == mapped)
    #expect(decoded.otherEndpoint == changed)
  }

  @Test func onlyTheFirstAttributeOfATypeCounts() throws {
    let (first, second) = (try #require(Endpoint("192.0.2.7:9")), try #require(Endpoint("192.0.2.8:10")))
    let message = STUNMessage(
      .success, transactionID: Self.transactionID,
      attributes: [.mappedAddress(second), .xorMappedAddress(first), .xorMappedAddress(second)])
    #expect(message.mappedEndpoint == first)
  }

  private static var transactionID: STUNTransactionID {
    var random = SeededGenerator(seed: 5)
    return STUNTransactionID(using: &random)
  }

  private static func randomMessage(using random: inout SeededGenerator) -> STUNMessage {
    var message = STUNMessage(
      STUNMessage.Class.allCases.randomElement(using: &random) ?? .request,
      transactionID: STUNTransactionID(using: &random),
      attributes: (0..<Int.random(in: 0...8, using: &random)).map { _ in randomAttribute(using: &random) },
      hasFingerprint: Bool.random(using: &random))
    message.method = UInt16.random(in: 0..<0x1000, using: &random)
    return message
  }

  private static func randomAttribute(using random: inout SeededGenerator) -> STUNAttribute {
    let endpoint = Endpoint(
      address: Bool.random(using: &random)
        ? .v4(random.next()) : .v6(high: random.next(), low: random.next()), port: random.next())
    let text = String(
      (0..<Int.random(in: 0...40, using: &random)).compactMap { _ in "abcé ü€".randomElement(using: &random) })
    return switch Int.random(in: 0..<13, using: &random) {
    case 0: .mappedAddress(endpoint)
    case 1: .xorMappedAddress(endpoint)
    case 2: .changeRequest(STUNChangeRequest(rawValue: random.next()))
    case 3: .sourceAddress(endpoint)
    case 4: .changedAddress(endpoint)
    case 5: .errorCode(STUNErrorCode(code: Int.random(in: 300...699, using: &random), reason: text))
    case 6: .unknownAttributes((0..<Int.random(in: 0...5, using: &random)).map { _ in random.next() })
    case 7: .software(text)
    case 8: .padding(count: UInt16.random(in: 0...50, using: &random))
    case 9: .responsePort(random.next())
    case 10: .responseOrigin(endpoint)
    case 11: .otherAddress(endpoint)
    default:
      .other(
        type: Bool.random(using: &random) ? 0x0024 : 0xC001,
        value: (0..<Int.random(in: 0...30, using: &random)).map { _ in random.next() })
    }
  }
}
