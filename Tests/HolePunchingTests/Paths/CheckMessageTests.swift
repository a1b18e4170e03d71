import Datagrams
import PlexusTesting
import STUN
import Testing

@testable import HolePunching

@Suite struct CheckMessageTests {
  private static let mapped = Endpoint(address: .v4(0xCB00_710A), port: 4000)
  private static let contents: [CheckMessage.Content] = [
    .request(priority: 7, nomination: nil), .request(priority: .max, nomination: .init(number: 3, place: mapped)),
    .success(mapped: mapped),
    .success(mapped: Endpoint(address: .v6(high: 1 << 61, low: 9), port: 1)), .begin(nomination: 9),
  ]
  private let inviter: CheckKeys
  private let acceptor: CheckKeys
  private let id: STUNTransactionID

  init() {
    var random = SeededGenerator(seed: 3)
    let (left, right) = (KeyShare(using: &random), KeyShare(using: &random))
    inviter = CheckKeys(role: .inviting, own: left, peer: right)
    acceptor = CheckKeys(role: .accepting, own: right, peer: left)
    id = STUNTransactionID(using: &random)
  }

  @Test(arguments: contents)
  func whatOneSideSaysTheOtherReads(_ content: CheckMessage.Content) throws {
    let message = CheckMessage(content, id: id)
    let datagram = message.encoded(keys: inviter)
    #expect(CheckMessage(decoding: datagram, keys: acceptor) == message)
    // It is a STUN message to everybody.
    #expect(try STUNMessage(decoding: datagram).hasFingerprint)
  }

  @Test(arguments: contents)
  func nobodyIsTakenInByAReflectionOrAStranger(_ content: CheckMessage.Content) {
    let datagram = CheckMessage(content, id: id).encoded(keys: inviter)
    #expect(CheckMessage(decoding: datagram, keys: inviter) == nil)
    var random = SeededGenerator(seed: 4)
    let other = CheckKeys(role: .accepting, own: KeyShare(using: &random), peer: KeyShare(using: &random))
    #expect(CheckMessage(decoding: datagram, keys: other) == nil)
  }

  @Test(arguments: contents)
  func everyFlippedBitIsSeen(_ content: CheckMessage.Content) {
    let datagram = CheckMessage(content, id: id).encoded(keys: inviter)
    for index in datagram.indices {
      for bit in 0..<8 {
        var garbled = datagram
        garbled[index] ^= 1 << bit
        #expect(CheckMessage(decoding: garbled, keys: acceptor) == nil)
      }
    }
    for length in datagram.indices {
      #expect(CheckMessage(decoding: Array(datagram.prefix(length)), keys: acceptor) == nil)
    }
  }

  @Test func plainSTUNIsNoCheck() {
    let request = STUNMessage(.request, transactionID: id, hasFingerprint: true).encoded()
    #expect(CheckMessage(decoding: request, keys: acceptor) == nil)
    #expect(CheckMessage(decoding: [UInt8](repeating: 0, count: 4000), keys: acceptor) == nil)
  }
}
