extension Address {
  /// As people read it: hexadecimal, no prefix.
  public var hexadecimal: String { String(raw, radix: 16) }
}

extension PageFaultCode {
  public var hexadecimal: String { String(rawValue, radix: 16) }
}

extension Access {
  /// "user store", "supervisor fetch" and so on.
  public var description: String { (isUser ? "user " : "supervisor ") + "\(kind)" }
}
