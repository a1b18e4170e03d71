import Datagrams

/// What came of many schedules of one cell.
public struct PathTally: Sendable {
  /// The cell.
  public let cell: PathMatrix.Cell
  /// How many were played.
  public private(set) var schedules = 0
  /// How many found a path.
  public private(set) var successes = 0
  /// The most datagrams towards one address within a second.
  public private(set) var peakPerSecond = 0
  /// Schedules that were wrong: the seed, and what.
  public private(set) var complaints: [(seed: UInt64, complaint: String)] = []
  private var durations: [Duration] = []
  private var datagrams: [Int] = []

  /// Plays a cell as often as asked.
  public init(_ cell: PathMatrix.Cell, schedules: Int) {
    self.cell = cell
    for seed in TestSeeds.schedules(schedules) { play(seed) }
  }

  /// Nothing played yet.
  public init(_ cell: PathMatrix.Cell) { self.cell = cell }

  /// Plays the schedule of a seed.
  public mutating func play(_ seed: UInt64) {
    let run = cell.run(seed: seed)
    schedules += 1
    if run.succeeded {
      successes += 1
      durations.append(run.duration)
    }
    datagrams.append(run.datagrams)
    peakPerSecond = max(peakPerSecond, run.peakPerSecond)
    if let complaint = cell.complaint(run) { complaints.append((seed, complaint)) }
  }

  /// The time that half of the successes took at most, from the inviter's start.
  public var median: Duration? { durations.sorted().middle }
  /// The longest time of a success.
  public var longest: Duration? { durations.max() }
  /// The datagrams of both sides that half of the schedules took at most.
  public var medianDatagrams: Int { datagrams.sorted().middle ?? 0 }
  /// Whether as many found a path as must.
  public var isRight: Bool {
    guard complaints.isEmpty else { return false }
    return switch cell.expectation {
    case .certain: successes == schedules
    case .likely: successes * 20 >= schedules * 19
    case .possible: true
    case .impossible: successes == 0
    }
  }

  /// What went wrong, and how to play it again.
  public var sentence: String {
    let first = complaints.first.map { "; \($0.complaint); replay with PLEXUS_SEED=\($0.seed)" } ?? ""
    return "\(cell): \(successes) of \(schedules) schedules found a path\(first)"
  }
}

extension Array {
  fileprivate var middle: Element? { isEmpty ? nil : self[count / 2] }
}
