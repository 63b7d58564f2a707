extension MachineFile {
  /// The machine of a replay that names none.
  public static var defaultName: String { "skylake" }

  /// The machines that ship with memlab, in the order in which they are listed: the default first, then by age.
  public static var names: [String] { shipped.map(\.name) }

  /// Adding a machine is a file in `Machines/` and a line here.
  static let shipped: [(name: String, text: @Sendable () -> [UInt8])] = [
    ("skylake", { PackageResources.skylake_json }),
    ("r3000", { PackageResources.r3000_json }),
    ("r4000", { PackageResources.r4000_json }),
    ("prescott", { PackageResources.prescott_json }),
    ("nehalem", { PackageResources.nehalem_json }),
    ("icelake", { PackageResources.icelake_json }),
    ("zen2", { PackageResources.zen2_json }),
    ("bhargava2008", { PackageResources.bhargava2008_json }),
    ("dmt", { PackageResources.dmt_json }),
    ("textbook", { PackageResources.textbook_json }),
  ]
}
