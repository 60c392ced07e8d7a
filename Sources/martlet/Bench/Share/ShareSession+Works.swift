// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which loads a work is made of, on one session.

internal import Frontend
internal import FuseProtocol
internal import Histogram
internal import Linux

extension ShareSession {
  func runner(for work: Work) throws(HumanError) -> (any Runner)? {
    let lanes = Array(self.lanes.prefix(work.queues))
    let jobs: [DriveJob<FuseLane>]
    switch work.kind {
    case .memory:
      guard let again = settings.again, backend.spec.isProgram else { return nil }
      return InodeMemory(backend.spec, number: number, settings, again)
    case .tree: return nil
    case .data(let pattern):
      let loads = try (0..<work.jobs).map { (job) throws(HumanError) in
        try DataLoad(
          pattern, self, file: ShareFiles.file(for: pattern), byteCount: settings.fileByteCount, job: job)
      }
      jobs = DriveJob.spread(loads, depth: work.depth, over: lanes.count)
    default: jobs = DriveJob.share(try load(work.kind), depth: work.depth, over: lanes.count)
    }
    return Drive(self, lanes, jobs, pollNanoseconds: settings.pollNanoseconds)
  }

  private func load(_ kind: Work.Kind) throws(HumanError) -> any Load<FuseLane> {
    switch kind {
    case .lookupKnown: try LookupLoad(ShareFiles.files, absent: false, self)
    case .lookupAbsent: try LookupLoad(ShareFiles.files, absent: true, self)
    case .attributes: try InquiryLoad(.attributes, ShareFiles.files, self)
    case .fileSystem: try InquiryLoad(.fileSystem, ShareFiles.files, self)
    case .openClose(let writing): try OpenCloseLoad(ShareFiles.files, writing: writing, self)
    case .createUnlink: try CreateUnlinkLoad(ShareFiles.files, self)
    case .rename: try RenameLoad(ShareFiles.files, self)
    case .list(let entries, let known):
      try ListLoad(ShareFiles.directory(of: entries), entryCount: entries, keepsReferences: known, self)
    case .empty(let request): EmptyFuseLoad(request)
    case .data, .tree, .memory, .picture: preconditionFailure("this work has no single load")
    }
  }
}

/// Memory for the inodes of a large directory. Each turn needs a backend that has known nothing before.
final class InodeMemory: Runner {
  private let spec: BackendSpec
  private let number: Int
  private let settings: ShareSettings
  private let again: (BackendSpec) throws(HumanError) -> RunningBackend

  init(
    _ spec: BackendSpec, number: Int, _ settings: ShareSettings,
    _ again: @escaping (BackendSpec) throws(HumanError) -> RunningBackend
  ) {
    self.spec = spec
    self.number = number
    self.settings = settings
    self.again = again
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    // The warm-up and the pass that counts system calls have nothing to do here.
    guard meter != nil else { return sample }
    let backend = try again(spec)
    defer { backend.stop() }
    var single = settings
    single.queues = 1
    let session = try ShareSession(backend, number: number, single)
    defer { session.close() }
    guard let fresh = backend.meter(peer: nil) else { return sample }
    let before = fresh.anonymousBytes
    let count = ShareWorks.largeDirectory
    let load = try ListLoad(
      ShareFiles.directory(of: count), entryCount: count, keepsReferences: true, session)
    let drive = Drive(
      session, Array(session.lanes.prefix(1)), DriveJob.share(load, depth: 1, over: 1),
      pollNanoseconds: settings.pollNanoseconds)
    sample = try drive.turn(nanoseconds: 0, meter: nil)
    sample.inodeBytes = Double(fresh.anonymousBytes - before) / Double(count)
    // What a pass took says nothing about memory.
    sample.latencies.reset()
    return sample
  }

  func finish() {}
}
