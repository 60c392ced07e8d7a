// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Metadata through the file system calls of this host. The kernel in between answers from its caches where the
// backend's answers let it, as in a guest; GETATTR is asked for with AT_STATX_FORCE_SYNC, so that it is sent.

internal import Histogram
internal import Linux
internal import Wire

final class NameRunner: Runner {
  private let kind: Work.Kind
  private let directory: FileDescriptor
  /// Names that an operation works on, with what it needs of others.
  private let names: [[UInt8]]
  private let otherNames: [[UInt8]]
  private let name = Scratch(byteCount: 256)
  private let otherName = Scratch(byteCount: 256)
  private let records = Scratch(byteCount: 32 << 10)
  private var next = 0
  private var isOther: [Bool]

  init(_ kind: Work.Kind, in share: String, number: Int) throws(HumanError) {
    self.kind = kind
    let files = ShareFiles.files
    var folder = files.directory
    switch kind {
    case .list(let entries, _):
      folder = ShareFiles.directory(of: entries)
      names = []
    case .createUnlink: names = (0..<16).map { Array(FileSet.name("made-\(number)-", $0).utf8) }
    case .rename: names = (number * 16..<number * 16 + 16).map { Array(files.name($0).utf8) }
    default: names = (0..<files.count).map { Array(files.name($0).utf8) }
    }
    otherNames = names.map { Array("other-".utf8) + $0 }
    isOther = names.map { _ in false }
    do throws(Errno) {
      directory = try Path("\(share)/\(folder)").open(flags: OpenFlags.readOnly | OpenFlags.directory)
    } catch {
      throw .failure("cannot open \(share)/\(folder): \(error.message)")
    }
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    let processorStart = meter?.processorNanoseconds ?? 0
    let start = Clock.monotonic
    var now = start
    do throws(Errno) {
      repeat {
        sample.operations += try operate()
        let done = Clock.monotonic
        _ = sample.latencies.record(UInt64(max(done - now, 1)))
        now = done
      } while now - start < nanoseconds
    } catch {
      throw .failure("a file system call failed: \(error.message)")
    }
    sample.nanoseconds = now - start
    Pause.milliseconds(2)
    sample.processorNanoseconds = (meter?.processorNanoseconds ?? 0) - processorStart
    return sample
  }

  /// Returns how many operations that were.
  private func operate() throws(Errno) -> Int {
    if case .list = kind { return try list() }
    let index = next
    next = next + 1 == names.count ? 0 : next + 1
    let file = try cName(names[index], in: name)
    switch kind {
    case .createUnlink:
      let flags = OpenFlags.readWrite | OpenFlags.create | OpenFlags.exclusive
      _ = try directory.file.open(file, flags: flags, mode: 0o644)
      try directory.file.remove(file)
    case .openClose(let writing):
      let flags = writing ? OpenFlags.readWrite : OpenFlags.readOnly
      _ = try directory.file.open(file, flags: flags)
    case .rename:
      let other = try cName(otherNames[index], in: otherName)
      let (old, new) = isOther[index] ? (other, file) : (file, other)
      try directory.file.rename(old, to: directory.file, new, flags: 0)
      isOther[index].toggle()
    default:
      _ = try directory.file.status(of: file, flags: AtFlags.symlinkNoFollow | AtFlags.forceSync)
    }
    return 1
  }

  /// The whole directory, once.
  private func list() throws(Errno) -> Int {
    try directory.file.seek(0, whence: 0)
    var count = 0
    while true {
      let end = try directory.file.readDirectory(into: records.segment)
      if end == 0 { return count }
      var offset = 0
      // linux_dirent64: inode, offset (8 bytes each), length.
      while offset < end, let length: UInt16 = records.segment.load(at: offset + 16), length > 0 {
        count += 1
        offset += Int(length)
      }
    }
  }

  private func cName(_ bytes: [UInt8], in scratch: borrowing Scratch) throws(Errno) -> CName {
    guard let name = CName.joining(bytes, CName(""), in: scratch.segment) else { throw .nameTooLong }
    return name
  }

  func finish() throws(HumanError) {
    // The next contestant finds the files under their first names.
    do throws(Errno) {
      for index in names.indices where isOther[index] {
        let other = try cName(otherNames[index], in: otherName)
        try directory.file.rename(other, to: directory.file, try cName(names[index], in: name), flags: 0)
        isOther[index] = false
      }
    } catch {
      throw .failure("cannot rename a file back: \(error.message)")
    }
  }
}
