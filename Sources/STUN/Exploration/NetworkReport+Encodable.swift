import Datagrams

// The names and forms are what `plexus explore --json` shows: keep them. Endpoints are text, durations milliseconds.

extension NetworkReport: Encodable {
  private enum CodingKeys: String, CodingKey {
    case local, publicEndpoint, translated, mapping, filtering, portPreserved, addressVaries, hairpins, prospect
    case confidence, servers, milliseconds
  }

  /// Encodes the report and what follows from it; what is not known is null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(local.description, forKey: .local)
    try container.encode(publicEndpoint?.description, forKey: .publicEndpoint)
    try container.encode(isTranslated, forKey: .translated)
    try container.encode(mapping, forKey: .mapping)
    try container.encode(filtering, forKey: .filtering)
    try container.encode(isPortPreserved, forKey: .portPreserved)
    try container.encode(addressVaries, forKey: .addressVaries)
    try container.encode(hairpins, forKey: .hairpins)
    try container.encode(prospect, forKey: .prospect)
    try container.encode(confidence, forKey: .confidence)
    try container.encode(servers, forKey: .servers)
    try container.encode(duration.milliseconds, forKey: .milliseconds)
  }
}

extension STUNServerReport: Encodable {
  private enum CodingKeys: String, CodingKey {
    case server, address, outcome, words, milliseconds, mapped, other, software, filtering
  }

  /// Encodes what the server said; the outcome by name, and as the end of an English sentence.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(server.description, forKey: .server)
    try container.encode(server.endpoint.description, forKey: .address)
    try container.encode(outcome.kind, forKey: .outcome)
    try container.encode(outcome.description, forKey: .words)
    if case .answered(let roundTrip) = outcome {
      try container.encode(roundTrip.milliseconds, forKey: .milliseconds)
    } else {
      try container.encodeNil(forKey: .milliseconds)
    }
    try container.encode(mapped?.description, forKey: .mapped)
    try container.encode(other?.description, forKey: .other)
    try container.encode(software?.escapedForDisplay, forKey: .software)
    try container.encode(filtering, forKey: .filtering)
  }
}
