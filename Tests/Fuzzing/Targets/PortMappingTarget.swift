import Datagrams

@testable import PortMapping

/// What a router answers: by PCP, to a search for UPnP devices, as a device description, or to a request, by the first byte.
@Sendable func fuzzPortMapping(_ input: [UInt8]) throws {
  let rest = Array(input.dropFirst())
  let router = IPAddress.v4(0xC612_0001)
  switch input.first {
  case UInt8(ascii: "p"): try fuzzPCP(rest, router: router)
  case UInt8(ascii: "s"):
    if let location = SSDPSearch.location(in: rest), let url = DeviceURL(location, of: router) {
      try demand(url.text.utf8.count <= 600 && IPAddress(HostAndPort(url.host)?.host ?? "") == router, "the URL \(url)")
    }
  case UInt8(ascii: "d"):
    guard let url = DeviceURL("http://198.18.0.1:5000/d.xml", of: router) else { return }
    for connection in GatewayConnection.all(in: rest, from: url, of: router) {
      try demand(HostAndPort(connection.control.host)?.host == "198.18.0.1", "asks \(connection.control)")
      try demand(connection.serviceType.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 }, "a bad header")
    }
  default:
    let answer = GatewayConnection.Answer(body: rest)
    try demand((answer["NewExternalIPAddress"]?.utf8.count ?? 0) < 400, "an overlong value")
    _ = answer["errorCode"]
  }
}

private func fuzzPCP(_ input: [UInt8], router: IPAddress) throws {
  let request = MappingRequest(inner: 4000, lifetime: .seconds(600))
  var exchange = PCPExchange(
    .map(request), router: router, request: PCPMessage.mapRequest(request, lifetime: 600, client: router),
    patience: .seconds(1), now: .zero)
  exchange.receive(Datagram(from: Endpoint(address: router, port: PCPMessage.port), payload: input), now: .zero)
  if case .some(.some(.map)) = exchange.pollOutcome() {
    throw Violation(description: "a mapping without our nonce was taken")
  }
  guard let response = PCPMessage.decodeResponse(input) else { return }
  var epoch = PCPEpoch()
  switch response {
  case .map(let header, let mapping):
    try demand(header.result == .success, "a mapping with \(header.result.words)")
    _ = (epoch.isContinued(header.epoch, now: .zero), mapping.external.description)
    _ = epoch.isContinued(header.lifetime, now: .distantFuture)
  case .announce(let header), .failure(let header, _):
    try demand(!header.result.words.isEmpty, "a result without a word")
  case .otherVersion(let version): try demand(version != 2, "version 2 is ours")
  }
}
