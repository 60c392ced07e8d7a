// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The tree that whole loads work on: made from a seed, so that no download is needed and every run has the same, or
// the user's own. It lies in the shared directory, and as an archive outside of it.

internal import Linux
internal import Wire

struct TreeFiles {
  /// Names in the shared directory: the tree, and what is compiled.
  static let tree = "tree"
  static let units = "units"

  /// Not shared: archive and logs.
  let folder: String
  let shared: String
  var archive: String { "\(folder)/tree.tar" }
  /// What every backend has to give back.
  let contents: TreeContents
  let unitNames: [String]

  /// Works whose programs are installed; for the others a sentence says what is missing.
  static func possible(_ works: [Work]) -> [Work] {
    works.filter { work in
      guard case .tree(let tree) = work.kind else { return true }
      let missing = programs(for: tree).filter { ProgramPath.find($0) == nil }
      if !missing.isEmpty {
        say("\"\(work.name)\" is left out: \(missing.joined(separator: " and ")) is not installed")
      }
      return missing.isEmpty
    }
  }

  private static func programs(for work: TreeWork) -> [String] {
    switch work {
    case .unpack: ["tar"]
    case .readBack: []
    case .status: ["git"]
    case .compile: ["cc"]
    }
  }

  /// - Parameters:
  ///   - source: the user's directory or tar file; nil makes a tree.
  init(
    in folder: String, shared: String, from source: String?, for works: [Work], _ interruption: Interruption
  ) throws(HumanError) {
    self.folder = folder
    self.shared = shared
    let wanted = works.compactMap { work in if case .tree(let tree) = work.kind { tree } else { nil } }
    let place = "\(shared)/\(TreeFiles.tree)"
    if wanted.contains(where: { $0 != .compile }) {
      try TreeFiles.make(source, at: place, interruption)
      contents = try TreeContents.read(place)
      if contents.fileCount == 0 { throw .usage("the tree of --tree has no files") }
    } else {
      contents = TreeContents()
    }
    unitNames = SourceTree.unitNames
    if wanted.contains(.compile) {
      try SourceTree.writeUnits(in: "\(shared)/\(TreeFiles.units)")
    }
    if wanted.contains(.unpack) {
      try TreeFiles.run(["tar", "-C", place, "-cf", archive, "."], interruption)
    }
    if wanted.contains(.status) {
      let git = TreeFiles.git(in: place)
      try TreeFiles.run(git + ["init", "--quiet"], interruption)
      try TreeFiles.run(git + ["add", "--all"], interruption)
      try TreeFiles.run(git + ["commit", "--quiet", "--message=measured"], interruption)
    }
  }

  /// git without what the user's and the system's configuration say, and without writing to the index on its own.
  static func git(in directory: String) -> [String] {
    [
      "env", "GIT_OPTIONAL_LOCKS=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "git", "-C", directory,
      "-c", "safe.directory=*", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0",
    ]
  }

  private static func make(_ source: String?, at place: String, _ interruption: Interruption) throws(HumanError) {
    guard let source else { return try SourceTree.write(in: place) }
    guard let status = try? Path(source).status() else {
      throw .failure("there is no tree \(source); mend --tree")
    }
    if status.isDirectory {
      try run(["cp", "-R", "-P", "--", source, place], interruption)
    } else {
      if ProgramPath.find("tar") == nil { throw .failure("tar is not installed; give --tree a directory") }
      do throws(Errno) { try HostFiles.makeDirectory(place) } catch {
        throw .failure("cannot make \(place): \(error.message)")
      }
      try run(["tar", "-C", place, "-xf", source], interruption)
    }
    // A repository in it would be in the way of the one that is made here.
    HostFiles.removeTree("\(place)/.git")
  }

  private static func run(_ line: [String], _ interruption: Interruption) throws(HumanError) {
    let child: ChildProcess
    do throws(Errno) { child = try ChildProcess.spawn(line, files: [nil, nil, nil]) } catch {
      throw .failure("cannot start \(line[0]): \(error.message)")
    }
    let end = try interruption.wait(for: child, seconds: 600)
    guard end == .code(0) else {
      throw .failure("\"\(line.joined(separator: " "))\" ended with \(end.shellCode)")
    }
  }
}

/// What a tree holds, as far as it can change on its way.
struct TreeContents: Equatable, CustomStringConvertible {
  var fileCount = 0
  var byteCount = 0
  /// Over names and contents, in no order.
  var sum: UInt64 = 0

  var description: String { "\(fileCount) files with \(byteCount) bytes" }

  static func read(_ path: String) throws(HumanError) -> TreeContents {
    var contents = TreeContents()
    let scratch = Scratch(byteCount: 128 << 10)
    do throws(Errno) {
      try contents.add(path, scratch)
    } catch {
      throw .failure("cannot read the tree \(path): \(error.message)")
    }
    return contents
  }

  /// The repository is no part of the tree.
  private mutating func add(_ path: String, _ scratch: borrowing Scratch) throws(Errno) {
    for entry in try HostFiles.entries(path) where entry.name != ".git" {
      let below = "\(path)/\(entry.name)"
      if entry.isDirectory {
        try add(below, scratch)
      } else if entry.isRegular {
        let file = try Path(below).open(flags: OpenFlags.readOnly)
        var sum = UInt64(entry.name.utf8.count)
        while true {
          let count = try file.file.read(into: scratch.segment)
          if count == 0 { break }
          byteCount += count
          sum = TreeContents.mix(sum, scratch.segment.prefix(count))
        }
        self.sum &+= sum
        fileCount += 1
      }
    }
  }

  private static func mix(_ start: UInt64, _ bytes: Segment) -> UInt64 {
    var sum = start
    var offset = 0
    while let word: UInt64 = bytes.load(at: offset) {
      sum = (sum ^ word) &* 0x9e37_79b9_7f4a_7c15
      sum ^= sum >> 29
      offset += 8
    }
    while let byte: UInt8 = bytes.load(at: offset) {
      sum = (sum ^ UInt64(byte)) &* 0x9e37_79b9_7f4a_7c15
      offset += 1
    }
    return sum
  }
}
