import LibC

/// How wide help is printed: as the terminal, but never wider than a text is read with ease.
public func helpWidth() -> Int {
  var width = 80
  var size = winsize()
  if let columns = getenv("COLUMNS").flatMap({ Int(String(cString: $0)) }) {
    width = columns
  } else if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
    width = Int(size.ws_col)
  }
  // Below 50 there would be no room beside the options.
  return min(max(width, 50), 100)
}
