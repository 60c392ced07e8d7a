// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a bench does to the host's file system: a folder of its own, listings of /proc, reports. Cold code.

internal import Linux
internal import Wire

enum HostFiles {
  /// A path as the kernel takes it, for the length of one call.
  static func withName<Result>(_ path: String, _ body: (CName) throws(Errno) -> Result) throws(Errno) -> Result {
    let scratch = Scratch(byteCount: 4096)
    guard let name = CName.joining(Array(path.utf8), CName(""), in: scratch.segment) else { throw .nameTooLong }
    return try body(name)
  }

  static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(Errno) {
    try withName(path) { (name) throws(Errno) in try File.currentDirectory.makeDirectory(name, mode: mode) }
  }

  static func remove(_ path: String, isDirectory: Bool = false) throws(Errno) {
    try withName(path) { (name) throws(Errno) in
      try File.currentDirectory.remove(name, flags: isDirectory ? AtFlags.removeDirectory : 0)
    }
  }

  /// Removes a folder and what is in it; what cannot be removed stays.
  static func removeTree(_ path: String) {
    for entry in (try? entries(path)) ?? [] {
      let below = path + "/" + entry.name
      if entry.isDirectory { removeTree(below) } else { try? remove(below) }
    }
    try? remove(path, isDirectory: true)
  }

  struct Entry {
    let name: String
    let isDirectory: Bool
    let isRegular: Bool
  }

  /// Names in a directory, without "." and "..".
  static func entries(_ path: String) throws(Errno) -> [Entry] {
    let directory = try Path(path).open(flags: OpenFlags.readOnly | OpenFlags.directory)
    let scratch = Scratch(byteCount: 65536)
    var found: [Entry] = []
    while true {
      let records = scratch.segment.prefix(try directory.file.readDirectory(into: scratch.segment))
      if records.count == 0 { return found }
      var offset = 0
      // linux_dirent64: d_ino, d_off, d_reclen, d_type, d_name.
      while let length = records.load(UInt16.self, at: offset + 16), length > 19 {
        var reader = ByteReader(records.dropFirst(offset + 19).prefix(Int(length) - 19))
        if let name = reader.readName(), !name.equals("."), !name.equals("..") {
          // DT_DIR is 4, DT_REG 8.
          let type = records.load(UInt8.self, at: offset + 18)
          found.append(Entry(name: name.description, isDirectory: type == 4, isRegular: type == 8))
        }
        offset += Int(length)
      }
    }
  }

  /// Makes or replaces a file, as a whole.
  static func replace(_ path: String, with text: String) throws(HumanError) {
    try replace(path, with: Array(text.utf8))
  }

  static func replace(_ path: String, with bytes: [UInt8]) throws(HumanError) {
    let draft = path + ".new"
    do {
      // A pipe or /dev/stdout takes the text as it is.
      if let status = try? Path(path).status(), !status.isRegular { return try write(bytes, to: path) }
      try write(bytes, to: draft)
      try withName(path) { (name) throws(Errno) in
        let scratch = Scratch(byteCount: 4096)
        guard let old = CName.joining(Array(draft.utf8), CName(""), in: scratch.segment) else { throw .nameTooLong }
        try File.currentDirectory.rename(old, to: File.currentDirectory, name, flags: 0)
      }
    } catch {
      throw .failure("cannot write \(path): \(error.message)")
    }
  }

  static func write(_ text: String, to path: String) throws(Errno) {
    try write(Array(text.utf8), to: path)
  }

  static func write(_ bytes: [UInt8], to path: String) throws(Errno) {
    let file = try Path(path).open(
      flags: OpenFlags.writeOnly | OpenFlags.create | OpenFlags.truncate, mode: 0o644)
    var start = 0
    while start < bytes.count { start += try file.file.write(bytes, from: start) }
  }
}
