import CPortMapping
import Datagrams
import NIOHTTP1

/// A device's connection to the internet, which takes requests to forward ports: WANIPConnection or WANPPPConnection, versions 1 and 2.
struct GatewayConnection: Hashable, Sendable {
  let control: DeviceURL
  let serviceType: String
  let router: IPAddress

  /// Why a request was refused, or the answer's elements.
  struct Failure: Error, CustomStringConvertible {
    /// The device's number, or that of HTTP.
    let code: Int
    let description: String
    /// Only mappings without an end are taken.
    var wantsPermanent: Bool { code == 725 }
    /// Something else has the external port: another host, or the router itself.
    var isConflict: Bool { code == 718 || code == 729 }
  }

  /// Reads the connections of a description, best first.
  static func all(in description: [UInt8], from url: DeviceURL, of router: IPAddress) -> [GatewayConnection] {
    (0...1).compactMap { index in
      var service = plexus_igd_service()
      let isThere = description.withUnsafeBytes { bytes in
        plexus_igd_read(bytes.bindMemory(to: CChar.self).baseAddress, bytes.count, url.text, Int32(index), &service)
      }
      guard isThere else { return nil }
      let type = text(service.service_type)
      // It becomes part of a header and of XML.
      guard type.utf8.allSatisfy(isNameByte), let control = DeviceURL(text(service.control_url), of: router)
      else { return nil }
      return GatewayConnection(control: control, serviceType: type, router: router)
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5F: true
    default: false
    }
  }

  private static func text<Array>(_ array: Array) -> String {
    withUnsafeBytes(of: array) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// An answer whose elements can be looked up.
  struct Answer: Sendable {
    let body: [UInt8]

    /// The text of an element, at most 127 bytes.
    subscript(name: String) -> String? {
      var value = [CChar](repeating: 0, count: 128)
      let isThere = body.withUnsafeBytes { bytes in
        plexus_soap_value(bytes.bindMemory(to: CChar.self).baseAddress, bytes.count, name, &value, value.count)
      }
      return isThere ? GatewayConnection.text(of: value) : nil
    }
  }

  private static func text(of value: [CChar]) -> String {
    String(decoding: value.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Sends a request (UPnP Device Architecture 1.1, section 3.2).
  ///
  /// - Throws: ``Failure``, `CancellationError`, or why there was no answer.
  func call(_ action: String, _ arguments: [(String, String)], patience: Duration) async throws -> Answer {
    let elements = arguments.map { "<\($0)>\($1)</\($0)>" }.joined()
    let body = """
      <?xml version="1.0"?>\r
      <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" \
      s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>\
      <u:\(action) xmlns:u="\(serviceType)">\(elements)</u:\(action)></s:Body></s:Envelope>\r\n
      """
    let answer = try await DeviceHTTP.ask(
      control, of: router, method: .POST,
      headers: [("Content-Type", "text/xml; charset=\"utf-8\""), ("SOAPAction", "\"\(serviceType)#\(action)\"")],
      body: body, patience: patience)
    let read = Answer(body: answer.body)
    guard answer.status == 200 else {
      let code = read["errorCode"].flatMap { Int($0) }
      throw Failure(code: code ?? answer.status, description: Self.words(code, status: answer.status))
    }
    return read
  }

  /// UPnP's WANIPConnection:2, section 2.5; the device's own words are anybody's.
  private static func words(_ code: Int?, status: Int) -> String {
    switch code {
    case nil: "its web server says \(status)"
    case 501: "it has no way to the internet itself, or a private address only (error 501)"
    case 606: "it is not allowed to this host (error 606)"
    case 718, 729: "the external port is taken (error \(code ?? 0))"
    case 728: "it has no room for more (error 728)"
    case let code?: "error \(code)"
    }
  }
}
