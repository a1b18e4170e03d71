import Crypto
import ExampleSupport
import FoundationEssentials
import Plexus

/// Sends files over a stream, one after another.
struct Sender {
  private var answers: Portions
  private var stream: PassageStream { answers.stream }

  init(stream: PassageStream) { answers = Portions(stream) }

  /// Sends a file, and returns when the peer has it, whole.
  mutating func send(_ path: String) async throws {
    let file = try await DiskFile.reading(path)
    let offer = Offer(name: path.split(separator: "/").last.map(String.init) ?? path, size: file.size)
    try await stream.write(text: String(decoding: JSONEncoder().encode(offer), as: UTF8.self))
    try await awaitAnswer(to: offer)
    try await sendContents(of: file, offer)
    try await awaitAnswer(to: offer)
    say("\(offer.name): \(stream.peer) has it")
  }

  private func sendContents(of file: DiskFile, _ offer: Offer) async throws {
    var hash = SHA256()
    var progress = Progress(offer)
    while progress.left > 0 {
      let bytes = try await file.read(upTo: Int(min(progress.left, 1 << 18)))
      guard bytes.readableBytes > 0 else { throw CopyFailure("\(offer.name) became shorter; send it again") }
      bytes.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
      try await stream.write(bytes)
      progress.add(bytes.readableBytes)
    }
    try await stream.write(ByteBuffer(bytes: hash.finalize()))
  }

  private mutating func awaitAnswer(to offer: Offer) async throws {
    guard let answer = try await answers.nextText() else {
      throw CopyFailure("\(stream.peer) ended the stream before it had \(offer.name); start again")
    }
    guard answer == "ok" else { throw CopyFailure("\(stream.peer) did not take \(offer.name): \(printable(answer))") }
  }
}

/// How much of a file is there, told at each tenth.
struct Progress {
  private let offer: Offer
  private var count: UInt64 = 0
  var left: UInt64 { offer.size - count }

  init(_ offer: Offer) { self.offer = offer }

  /// - Parameter more: at most what is left.
  mutating func add(_ more: Int) {
    let before = tenths
    count += UInt64(more)
    if tenths > before { say("\(printable(offer.name)): \(tenths * 10) %") }
  }

  private var tenths: UInt64 { offer.size < 10 ? 0 : min(count / (offer.size / 10), 10) }
}
