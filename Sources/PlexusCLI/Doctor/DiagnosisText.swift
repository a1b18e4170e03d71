import FoundationEssentials
import Plexus

/// A diagnosis for people: a line for each finding, then what follows.
enum DiagnosisText {
  /// Each layer's name stands in a column of its own.
  private static let indent = String(repeating: " ", count: 26)
  /// So many failures are shown; `--json` has all that are remembered.
  private static let failuresShown = 5

  /// A line of verdict, layer and what was found, and one that says what to do.
  static func lines(of finding: DiagnosisFinding) -> String {
    let head = padded(word(finding.verdict), to: 9) + padded(finding.layer.words, to: 17)
    let advice = finding.advice.isEmpty ? "" : "\n\(indent)→ \(finding.advice)"
    return (head + finding.found + advice).printable
  }

  /// What is to be told, what is to be expected, and what failed.
  static func summary(of report: DiagnosisReport, peerTraits: NetworkTraits?) -> String {
    var parts: [String] = []
    if let traits = report.ownTraits {
      parts.append("Tell your peer: \(traits)")
      parts.append(
        (["What to expect once two peers know of each other:"] + expectations(report, peerTraits)).joined(
          separator: "\n  "))
    }
    if !report.failures.isEmpty {
      let newest = report.failures.suffix(failuresShown).reversed()
      parts.append((["Passages that failed of late, the latest first:"] + newest.map(line)).joined(separator: "\n  "))
    }
    let problems = report.findings.count { $0.verdict == .problem }
    parts.append(
      problems == 0
        ? "All that is needed works."
        : "\(problems) thing\(problems == 1 ? " that is needed does" : "s that are needed do") not work; see the lines that begin with “problem”."
    )
    return "\n" + parts.joined(separator: "\n\n").printable
  }

  private static func expectations(_ report: DiagnosisReport, _ peerTraits: NetworkTraits?) -> [String] {
    var sentences = report.predictions.map { peerTraits == nil ? $0.kindSentence : $0.sentence }
    // Where all are met in one way, one line does.
    if let first = report.predictions.first, sentences.count > 1, first.succeeds,
      report.predictions.allSatisfy({ $0.path.way == first.path.way })
    {
      sentences = [first.sentence(of: "of any kind")]
    }
    return sentences.map { $0.prefix(1).uppercased() + $0.dropFirst() + "." }
  }

  private static func line(_ failure: FailedPassage) -> String {
    let networks = [failure.ownTraits.map { "own network \($0)" }, failure.peerTraits.map { "the peer's \($0)" }]
      .compactMap(\.self).joined(separator: ", ")
    let side = failure.role == .inviting ? "inviting" : "invited by"
    return "\(failure.time.formatted(.iso8601)) \(side) \(failure.peer): \(failure.sentence)"
      + (networks.isEmpty ? "" : " (\(networks))")
  }

  private static func word(_ verdict: DiagnosisFinding.Verdict) -> String {
    switch verdict {
    case .ok: "ok"
    case .warning: "warning"
    case .problem: "problem"
    }
  }

  private static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}

extension DiagnosisFinding.Layer {
  fileprivate var words: String {
    switch self {
    case .identity: "identities"
    case .clock: "clock"
    case .localNetwork: "local network"
    case .stun: "STUN"
    case .nat: "NAT"
    case .portMapping: "port mapping"
    case .dht: "DHT"
    case .email: "email"
    case .peer: "peer"
    }
  }
}

extension String {
  /// Without what could move the cursor: a sentence may quote a stranger.
  fileprivate var printable: String {
    String(String.UnicodeScalarView(unicodeScalars.filter { $0 == "\n" || $0.properties.generalCategory != .control }))
  }
}
