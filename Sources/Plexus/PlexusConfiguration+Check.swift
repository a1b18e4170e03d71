extension PlexusConfiguration {
  /// Whether what goes over the wire fits there.
  ///
  /// - Throws: ``PlexusError`` (`invalidOption`).
  func check() throws(PlexusError) {
    guard (1...255).contains(application.utf8.count) else {
      throw PlexusError(
        .invalidOption, "the application's name has \(application.utf8.count) bytes",
        advice: "give it a name of 1 to 255 bytes")
    }
    guard punchHops > 0 else {
      throw PlexusError(
        .invalidOption, "datagrams with a hop limit of 0 do not leave this host",
        advice: "set punchHops to a number from 1 to 255")
    }
  }
}
