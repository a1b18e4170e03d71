import Datagrams
import Testing

@testable import PortMapping

@Suite struct UPnPTests {
  private let router = IPAddress.v4(0xC612_0001)

  @Test(
    arguments: [
      ("http://198.18.0.1:5000/rootDesc.xml", "/rootDesc.xml", 5000), ("HTTP://198.18.0.1/a?b=c#d", "/a?b=c", 80),
      ("http://198.18.0.1:8080", "/", 8080),
    ] as [(String, String, UInt16)])
  func urlsOfTheRouterAreTaken(_ text: String, _ path: String, _ port: UInt16) throws {
    let url = try #require(DeviceURL(text, of: router))
    #expect(url.path == path && url.port == port)
  }

  @Test(arguments: [
    "http://198.18.0.2:5000/", "http://router.example/", "https://198.18.0.1/", "http://198.18.0.1@198.18.0.2/",
    "http://198.18.0.1:0/", "http://198.18.0.1:99999/", "http://198.18.0.1/a b", "http://198.18.0.1/a\r\nX: y",
    "http:///x", "", "http://198.18.0.1/" + String(repeating: "a", count: 600),
  ])
  func noOtherURLsAreTaken(_ text: String) { #expect(DeviceURL(text, of: router) == nil) }

  private func answer(_ location: String) -> [UInt8] {
    Array(
      "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nlocation:  \(location)\r\n\r\n"
        .utf8)
  }

  @Test func theRouterItselfIsFound() {
    var search = SSDPSearch(router: router, patience: .seconds(1), now: .zero)
    var sent = 0
    while search.pollTransmit() != nil { sent += 1 }
    #expect(sent == 6)
    let payload = answer("http://198.18.0.1:5000/d.xml")
    let stranger = Endpoint(address: .v4(0xC612_0009), port: 1900)
    search.receive(Datagram(from: stranger, payload: payload), now: .zero)
    #expect(search.pollOutcome() == nil)
    let port = Endpoint(address: router, port: 1900)
    search.receive(Datagram(from: port, payload: answer("http://198.18.0.9:5000/d.xml")), now: .zero)
    #expect(search.pollOutcome() == nil)
    search.receive(Datagram(from: port, payload: payload), now: .zero)
    #expect(search.pollOutcome() == DeviceURL("http://198.18.0.1:5000/d.xml", of: router))
  }

  @Test func aSearchInVainEnds() {
    var search = SSDPSearch(router: router, patience: .seconds(1), now: .zero)
    var sent = 0
    var now = Instant.zero
    while search.pollOutcome() == nil {
      while search.pollTransmit() != nil { sent += 1 }
      now = search.pollTimeout() ?? now
      search.handleTimeout(now: now)
    }
    #expect(sent == 12)
    #expect(now == Instant.zero.advanced(by: .seconds(1)))
  }

  static let description = """
    <?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
    <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><deviceList><device>
    <serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
    <serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><SCPDURL>/x.xml</SCPDURL><controlURL>CONTROL</controlURL>
    <eventSubURL>/evt</eventSubURL></service></serviceList></device></deviceList></device></deviceList></device></root>
    """

  @Test func aDescriptionTellsWhereToAsk() throws {
    let url = try #require(DeviceURL("http://198.18.0.1:5000/d.xml", of: router))
    let text = Self.description.replacing("CONTROL", with: "/ctl/IPConn")
    let connections = GatewayConnection.all(in: Array(text.utf8), from: url, of: router)
    #expect(connections.map(\.control.text) == ["http://198.18.0.1:5000/ctl/IPConn"])
    #expect(connections.first?.serviceType == "urn:schemas-upnp-org:service:WANIPConnection:1")
  }

  @Test(arguments: ["http://198.18.0.66/ctl", "http://example.org/ctl", "/a b", ""])
  func aDescriptionThatLeadsElsewhereIsOfNoUse(_ control: String) throws {
    let url = try #require(DeviceURL("http://198.18.0.1:5000/d.xml", of: router))
    let text = Self.description.replacing("CONTROL", with: control)
    let connections = GatewayConnection.all(in: Array(text.utf8), from: url, of: router)
    // An empty one is the device's own root.
    #expect(connections.allSatisfy { $0.control.host == "198.18.0.1:5000" })
  }

  @Test func garbageIsNoDescription() throws {
    let url = try #require(DeviceURL("http://198.18.0.1:5000/d.xml", of: router))
    for text in ["", "<", "<root>", String(repeating: "<a>", count: 10_000), String(repeating: "x", count: 10_000)] {
      #expect(GatewayConnection.all(in: Array(text.utf8), from: url, of: router).isEmpty)
    }
  }

  @Test func answersAreRead() {
    let answer = GatewayConnection.Answer(
      body: Array(
        "<s:Envelope><s:Body><u:R><NewExternalIPAddress>203.0.113.10</NewExternalIPAddress></u:R></s:Body></s:Envelope>"
          .utf8))
    #expect(answer["NewExternalIPAddress"] == "203.0.113.10")
    #expect(answer["errorCode"] == nil)
  }
}
