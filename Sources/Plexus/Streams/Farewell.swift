import DatagramSockets
import Datagrams
import NIOCore
import Synchronization
import Tubus

/// Ends a stream that is being closed at the right moment: not before what was written has arrived, and not never.
///
/// TLS says goodbye both ways, but the far end may not read, and then its goodbye never comes; and a path that broke while the stream
/// was being closed may come back, as for any other stream.
final class Farewell: Sendable {
  /// For the far end's goodbye, once everything has arrived; and all that whoever is cancelled waits for.
  private static let patience: Duration = .seconds(1)
  /// In which nothing more arrives: twice what it takes to notice that a path is dead and to find another.
  private static let longestStandstill: Duration = .seconds(10)
  private static let lookEvery: TimeAmount = .milliseconds(50)

  private struct Progress {
    var written: UInt64 = 0
    var delivered: UInt64 = 0
    var since = MonotonicClock.now
    /// When it was seen that nobody wants to wait any more.
    var hurriedSince: Instant?
  }

  /// The tubus stream.
  private let stream: any Channel
  private let isHurried = Atomic(false)

  init(_ stream: any Channel) { self.stream = stream }

  /// Waits for the end of the stream, whose closing has begun.
  func wait() async {
    let progress = NIOLoopBoundBox.makeBoxSendingValue(Progress(), eventLoop: stream.eventLoop)
    let looks = stream.eventLoop.scheduleRepeatedTask(initialDelay: Self.lookEvery, delay: Self.lookEvery) { _ in
      self.look(&progress.value)
    }
    await withTaskCancellationHandler {
      try? await stream.closeFuture.get()
    } onCancel: {
      isHurried.store(true, ordering: .relaxed)
    }
    looks.cancel()
  }

  private func look(_ progress: inout Progress) {
    guard let statistics = stream.tubusStatistics else { return }
    let now = MonotonicClock.now
    if statistics.bytesDelivered != progress.delivered || statistics.bytesWritten != progress.written {
      (progress.written, progress.delivered, progress.since) = (
        statistics.bytesWritten, statistics.bytesDelivered, now
      )
    }
    if progress.hurriedSince == nil, isHurried.load(ordering: .relaxed) { progress.hurriedSince = now }
    let isDone = statistics.bytesDelivered >= statistics.bytesWritten
    // However much of it arrives meanwhile.
    let hurry = progress.hurriedSince.map { $0.duration(to: now) } ?? .zero
    guard
      hurry >= Self.patience || progress.since.duration(to: now) >= (isDone ? Self.patience : Self.longestStandstill)
    else { return }
    stream.triggerUserOutboundEvent(TubusAbort(), promise: nil)
  }
}
