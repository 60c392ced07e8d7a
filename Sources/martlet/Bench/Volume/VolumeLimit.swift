// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the file itself gives, without any device in between: io_uring with batched submissions and shared memory, by
// this program or by fio. No backend can be much faster; the tables say how close one comes.

internal import Linux

final class VolumeLimit: Contestant {
  let name: String
  let role = Role.reference
  let meter: ProcessMeter? = nil
  let isUsable = true
  private let image: String
  private let mode: VolumeMode
  private let settings: ShareSettings
  /// fio, instead of this program's own loop.
  private let fio: String?
  private let folder: String
  private let interruption: Interruption

  init(
    _ image: String, _ mode: VolumeMode, _ settings: ShareSettings, fio: NamedProgram?, in folder: String,
    _ interruption: Interruption
  ) {
    self.image = image
    self.mode = mode
    self.settings = settings
    self.fio = fio?.path
    self.folder = folder
    self.interruption = interruption
    name = fio?.name ?? "raw io_uring"
  }

  func runner(for work: Work) throws(HumanError) -> (any Runner)? {
    guard case .data(let pattern) = work.kind, !pattern.isUnaligned, mode != .null else { return nil }
    let whole = DataPattern(
      writes: pattern.writes, isRandom: pattern.isRandom, byteCount: pattern.byteCount, isDirect: mode.isDirect)
    if let fio {
      return FioRunner(fio, whole, work, image, settings, "\(folder)/fio.json", interruption)
    }
    return try FileTransfers(whole, work, image, settings, dropsCache: false)
  }

  func close() {}
}

private final class FioRunner: Runner {
  private let fio: String
  private let line: [String]
  private let isWriting: Bool
  private let report: String
  private let interruption: Interruption

  init(
    _ fio: String, _ pattern: DataPattern, _ work: Work, _ image: String, _ settings: ShareSettings, _ report: String,
    _ interruption: Interruption
  ) {
    self.fio = fio
    self.report = report
    self.interruption = interruption
    isWriting = pattern.writes
    line = [
      fio, "--name=limit", "--filename=\(image)", "--ioengine=io_uring", "--direct=\(pattern.isDirect ? 1 : 0)",
      "--mem=mmapshared", "--fixedbufs=1", "--registerfiles=1", "--nonvectored=1", "--invalidate=0", "--norandommap",
      "--iodepth_batch_submit=\(work.depth)", "--iodepth_batch_complete_min=1",
      "--iodepth_batch_complete_max=\(work.depth)", "--iodepth=\(work.depth)", "--bs=\(pattern.byteCount)",
      "--rw=\((pattern.isRandom ? "rand" : "") + (pattern.writes ? "write" : "read"))",
      "--size=\(settings.fileByteCount)", "--numjobs=\(work.jobs)", "--group_reporting", "--time_based",
      "--output-format=json", "--output=\(report)",
    ]
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    let child: ChildProcess
    do throws(Errno) {
      child = try ChildProcess.spawn(
        line + ["--runtime=\(max(nanoseconds / 1_000_000, 50))ms"], files: [nil, nil, nil])
    } catch {
      throw .failure("cannot start \(fio): \(error.message)")
    }
    let end = try interruption.wait(for: child, seconds: nanoseconds / 1_000_000_000 + 60)
    guard end == .code(0), let text = try? Path(report).contents(), let result = JSON(parsing: text),
      let job = result["jobs"]?.elements.first, let counts = job[isWriting ? "write" : "read"],
      let operations = counts["total_ios"]?.number, let milliseconds = counts["runtime"]?.number
    else { throw .failure("\(fio) ended with \(end.shellCode) and without a result that can be read") }
    sample.operations = Int(operations)
    sample.nanoseconds = milliseconds * 1_000_000
    return sample
  }

  func finish() {}
}
