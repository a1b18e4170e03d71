import NIOCore
import Synchronization

/// What a listener has accepted, in order.
final class Accepted: Sendable {
  struct One: Sendable {
    let channel: any Channel
    let recorder: Recorder
  }

  private let autoRead: Bool
  private let all = Mutex<[One]>([])

  init(autoRead: Bool = true) { self.autoRead = autoRead }

  var count: Int { all.withLock { $0.count } }

  /// The one that came as number `index`, from 0; nil when it has not.
  func one(_ index: Int) -> One? { all.withLock { $0.indices.contains(index) ? $0[index] : nil } }

  /// To be called by the listener.
  func take(_ channel: any Channel) -> EventLoopFuture<Void> {
    channel.eventLoop.makeCompletedFuture {
      let one = One(channel: channel, recorder: Recorder())
      try channel.syncOptions?.setOption(.autoRead, value: autoRead)
      try channel.pipeline.syncOperations.addHandler(one.recorder)
      all.withLock { $0.append(one) }
    }
  }
}
