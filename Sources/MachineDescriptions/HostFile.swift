public import Machine

/// A host as it is written: JSON with its memory and the machines that share it, each with a trace.
public struct HostFile: Sendable {
  /// One machine, or several of the same kind.
  public struct Entry: Sendable {
    public var machine: VirtualMachine
    /// Path of the trace, from the folder of the file.
    public var trace: String
    public var mode: Mode
    /// Settings for `--set`, in order.
    public var keys: [(name: String, value: String)] = []
    /// Operations of the trace, nil: all.
    public var limit: UInt64?
    /// A balloon in a recorded kernel takes the pages that the recording uses no more, as a pass before shows.
    public var hasForesight = false
  }

  public let settings: HostSettings
  /// Operations of a turn.
  public let quantum: UInt64
  /// The processor: a name or a file.
  public let processor: String
  public let entries: [Entry]

  /// The file at a path.
  public init(path: String) throws(MachineError) {
    try self.init(text: try FileBytes.read(path), origin: path)
  }

  /// The text of a file; `origin` stands before whatever is wrong with it.
  public init(text: [UInt8], origin: String) throws(MachineError) {
    let tree: JSONValue
    do throws(JSONProblem) {
      tree = try JSONValue(text: text, shownBy: origin)
    } catch {
      throw MachineError(.badData, "\(origin): \(error.message)")
    }
    do throws(MachineReader.Problem) {
      let top = try Group(tree, path: "", what: "a host")
      settings = try Self.settings(top)
      quantum = top.has("quantum") ? UInt64(try top.count("quantum", from: 1)) : 10_000
      processor = top.has("processor") ? try top.string("processor") : MachineFile.defaultName
      var entries: [Entry] = []
      for group in try top.list("machines") { entries += try Self.entries(group) }
      try top.finish(allowing: ["summary"])
      if entries.isEmpty { throw MachineReader.Problem(message: "machines is empty, expected one machine or more") }
      let names = entries.map(\.machine.name)
      if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
        throw MachineReader.Problem(message: "machines.\(twice): two machines of that name")
      }
      self.entries = entries
    } catch {
      throw MachineError(.badData, "\(origin): \(error.message)")
    }
  }

  private static func settings(_ top: Group) throws(MachineReader.Problem) -> HostSettings {
    var settings = HostSettings(memory: try top.bytes("memory"))
    if top.has("swap") { settings.swap = try top.bytes("swap") }
    if top.has("seed") { settings.seed = UInt64(try top.count("seed")) }
    if top.has("idleTax") { settings.idleTax = try top.share("idleTax") }
    if top.has("samplePeriod") { settings.samplePeriod = UInt64(try top.count("samplePeriod", from: 1)) }
    if top.has("sampleSize") { settings.sampleSize = try top.count("sampleSize", from: 1) }
    if top.has("diskCycles") { settings.diskCycles = try top.cycles("diskCycles") }
    if top.has("balloons") { settings.hasBalloons = try top.bool("balloons") }
    if top.has("scannedPages") { settings.scannedPages = try top.count("scannedPages") }
    if top.has("reclaimRate") { settings.reclaimRate = try top.count("reclaimRate", from: 1) }
    if top.has("processors") { settings.processors = try top.count("processors", from: 1) }
    return settings
  }

  private static func entries(_ group: Group) throws(MachineReader.Problem) -> [Entry] {
    var machine = VirtualMachine(name: try group.string("name"))
    if group.has("size") { machine.size = try group.bytes("size") }
    if group.has("minimum") { machine.minimum = try group.bytes("minimum") }
    if group.has("shares") { machine.shares = UInt64(try group.count("shares", from: 1)) }
    let name = try group.string("mode")
    guard let mode = Mode(rawValue: name) else {
      let modes = Mode.allCases.map(\.rawValue).joined(separator: ", ")
      throw MachineReader.Problem(message: "\(group.name("mode")): no mode '\(name)'; there are \(modes)")
    }
    var entry = Entry(machine: machine, trace: try group.string("trace"), mode: mode)
    if group.has("limit") { entry.limit = UInt64(try group.count("limit", from: 1)) }
    if group.has("foresight") { entry.hasForesight = try group.bool("foresight") }
    if group.has("keys") {
      let keys = try group.group("keys")
      for key in keys.keys { entry.keys.append((key, try keys.text(key))) }
    }
    entry.machine.image = group.has("image") ? try group.string("image") : entry.trace
    let clones = group.has("clones") ? try group.count("clones", from: 1) : 1
    try group.finish(allowing: ["summary"])
    guard clones > 1 else { return [entry] }
    return (1...clones).map {
      var clone = entry
      clone.machine.name += "-\($0)"
      return clone
    }
  }
}

extension Group {
  /// Bytes: a whole number, or one in quotes with K, M or G behind it.
  fileprivate func bytes(_ key: String) throws(MachineReader.Problem) -> UInt64 {
    let text = try text(key)
    guard let bytes = HostFile.bytes(text), bytes <= 1 << 40 else {
      throw MachineReader.Problem(
        message: "\(name(key)) is \(text), expected bytes up to 1024G, as 67108864 or \"64M\"")
    }
    return bytes
  }

  /// A share from 0 to below 1.
  fileprivate func share(_ key: String) throws(MachineReader.Problem) -> Double {
    guard let share = Double(try text(key)), share >= 0, share < 1 else {
      throw MachineReader.Problem(message: "\(name(key)) is \(try text(key)), expected a number from 0 to below 1")
    }
    return share
  }

  fileprivate func count(_ key: String, from least: Int) throws(MachineReader.Problem) -> Int {
    let count = try count(key)
    guard count >= least else {
      throw MachineReader.Problem(message: "\(name(key)) is \(count), expected a whole number from \(least)")
    }
    return count
  }
}

extension HostFile {
  /// The bytes that a text like `64M` means; nil if it means none.
  public static func bytes(_ text: String) -> UInt64? {
    let units: [Character: UInt64] = ["K": 10, "M": 20, "G": 30]
    guard let last = text.last, let shift = units[last] else { return UInt64(text) }
    guard let number = UInt64(text.dropLast()), number <= UInt64.max >> shift else { return nil }
    return number << shift
  }
}
