/// A way of packing files, and the program of the system that unpacks it.
struct Compression: Hashable, Sendable {
  /// The bytes that a packed file begins with.
  var magic: [UInt8]
  var program: String
  var arguments: [String]

  /// `--long=27`: windows of up to 128 MiB, as the system traces have.
  static let known = [
    Compression(magic: [0x1f, 0x8b], program: "gzip", arguments: ["-dc"]),
    Compression(magic: [0x28, 0xb5, 0x2f, 0xfd], program: "zstd", arguments: ["-dcq", "--long=27"]),
    Compression(magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], program: "xz", arguments: ["-dcq"]),
  ]

  /// Bytes needed to recognise any of them.
  static var longestMagic: Int { 6 }

  static func recognise(_ start: some Sequence<UInt8>) -> Compression? {
    known.first { start.starts(with: $0.magic) }
  }
}
