// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What fio does: reads and writes of one size in a file, by one or several threads, each with one or several in flight
// (io_uring). The same for a file of a mount, a file of the host and a volume's image.

internal import Histogram
internal import IOUring
internal import Linux
internal import Synchronization
internal import Wire

final class FileTransfers: Runner {
  private let workers: [FileWorker]
  private let dropsCache: Bool

  /// - Parameter dropsCache: the kernel forgets the file's pages before each turn.
  init(
    _ pattern: DataPattern, _ work: Work, _ path: String, _ settings: ShareSettings, dropsCache: Bool
  ) throws(HumanError) {
    self.dropsCache = dropsCache && !pattern.isDirect
    workers = try (0..<work.jobs).map { (job) throws(HumanError) in
      do throws(Errno) {
        return try FileWorker(pattern, path, byteCount: settings.fileByteCount, depth: work.depth, job: job)
      } catch {
        throw .failure("cannot work with \(path): \(error.message)")
      }
    }
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    if dropsCache { for worker in workers { worker.dropCachedPages() } }
    let processorStart = meter?.processorNanoseconds ?? 0
    let start = Clock.monotonic
    do throws(Errno) {
      // The calling thread has signals to look after; it waits in joins only as long as the turn is.
      var threads: [JoinedThread] = []
      for worker in workers {
        threads.append(
          JoinedThread(try Thread(name: "bench") { worker.run(until: start + nanoseconds) }))
      }
      for thread in threads { thread.join() }
    } catch {
      throw .failure("cannot start a thread: \(error.message)")
    }
    var sample = Sample()
    sample.nanoseconds = Clock.monotonic - start
    for worker in workers {
      let result = worker.takeResult()
      if let error = result.error { throw .failure("a transfer failed: \(error.message)") }
      sample.operations += result.operations
      sample.latencies.add(result.latencies)
    }
    Pause.milliseconds(2)
    sample.processorNanoseconds = (meter?.processorNanoseconds ?? 0) - processorStart
    return sample
  }

  func finish() {}
}

/// A thread that stands in a list.
private final class JoinedThread {
  private var thread: Thread?

  init(_ thread: consuming Thread) {
    self.thread = consume thread
  }

  func join() {
    if let thread = thread.take() { thread.join() }
  }
}

/// One job. Everything is behind the lock: the thread of a turn has it while the turn lasts.
final class FileWorker: Sendable {
  struct Result {
    var operations = 0
    var latencies = Sample().latencies
    var error: Errno?
  }

  fileprivate struct State: ~Copyable {
    let file: FileDescriptor
    let pattern: DataPattern
    let depth: Int
    /// Shared memory, as a guest's is: io_uring pins pages of it faster than those of private memory.
    let memory: Mapping
    let vectors: Vectors
    let ring: Ring?
    var blocks: BlockSequence
    var begun: [Int64]
    var result = Result()
  }

  private let state: Mutex<State>

  init(_ pattern: DataPattern, _ path: String, byteCount: Int, depth: Int, job: Int) throws(Errno) {
    let access = pattern.writes ? OpenFlags.readWrite : OpenFlags.readOnly
    let byteCountOfAll = pattern.byteCount * depth
    let shared = try MemoryFile.create("bench", byteCount: byteCountOfAll)
    let memory = try Mapping(shared.file, byteCount: byteCountOfAll)
    // Zeroed pages that were never written would all be one.
    var dice = Dice(UInt64(job))
    for offset in stride(from: 0, to: memory.segment.count, by: 4096) {
      memory.segment.store(dice.below(.max), at: offset)
    }
    let vectors = Vectors(count: depth)
    for slot in 0..<depth {
      vectors.set(slot, memory.segment.dropFirst(slot * pattern.byteCount).prefix(pattern.byteCount))
    }
    state = Mutex(
      State(
        file: try Path(path).open(flags: access | (pattern.isDirect ? OpenFlags.direct : 0)), pattern: pattern,
        depth: depth, memory: memory, vectors: vectors,
        ring: depth > 1 ? try Ring(capacity: FileWorker.ringCapacity(depth)) : nil,
        blocks: BlockSequence(pattern, fileByteCount: byteCount, job: job),
        begun: [Int64](repeating: 0, count: depth)))
  }

  private static func ringCapacity(_ depth: Int) -> Int {
    var capacity = 1
    while capacity < depth { capacity *= 2 }
    return capacity
  }

  func dropCachedPages() {
    state.withLock { $0.file.file.dropCachedPages() }
  }

  func takeResult() -> Result {
    state.withLock { state in
      defer { state.result = Result() }
      return state.result
    }
  }

  /// Works until a time; what goes wrong is in the result.
  func run(until end: Int64) {
    state.withLock { state in
      do throws(Errno) {
        if state.ring == nil { try state.runOneByOne(until: end) } else { try state.runMany(until: end) }
      } catch {
        state.result.error = error
      }
    }
  }
}

extension FileWorker.State {
  fileprivate mutating func runOneByOne(until end: Int64) throws(Errno) {
    var now = Clock.monotonic
    let block = vectors.part(from: 0, count: 1)
    repeat {
      let offset = Int64(blocks.nextOffset())
      let moved = pattern.writes ? try file.file.write(block, at: offset) : try file.file.read(block, at: offset)
      guard moved == pattern.byteCount else { throw .inputOutput }
      let done = Clock.monotonic
      result.operations += 1
      _ = result.latencies.record(UInt64(max(done - now, 1)))
      now = done
    } while now < end
  }

  /// Completions are taken as far as they are there, and what they free is submitted with one call.
  fileprivate mutating func runMany(until end: Int64) throws(Errno) {
    var inFlight = 0
    let start = Clock.monotonic
    for slot in 0..<depth {
      prepare(slot, at: start)
      inFlight += 1
    }
    var failure: Errno?
    while inFlight > 0 {
      submit()
      guard var completion = try waitForCompletion() else { return }
      let now = Clock.monotonic
      while true {
        inFlight -= 1
        let slot = Int(completion.token)
        if completion.result != Int32(pattern.byteCount) {
          // The others come back first: the kernel still has their memory.
          failure = completion.result < 0 ? Errno(-completion.result) : .inputOutput
        } else {
          result.operations += 1
          _ = result.latencies.record(UInt64(max(now - begun[slot], 1)))
        }
        if now < end, failure == nil {
          prepare(slot, at: now)
          inFlight += 1
        }
        guard let next = takeCompletion() else { break }
        completion = next
      }
    }
    if let failure { throw failure }
  }

  private mutating func prepare(_ slot: Int, at now: Int64) {
    begun[slot] = now
    let offset = Int64(blocks.nextOffset())
    let block = vectors.part(from: slot, count: 1)
    let isPrepared =
      pattern.writes
      ? ring?.prepareWrite(file.file, block, at: offset, flags: 0, token: UInt64(slot))
      : ring?.prepareRead(file.file, block, at: offset, flags: 0, token: UInt64(slot))
    precondition(isPrepared == true, "the ring has an entry for each slot")
  }

  private func submit() { ring?.submit() }
  private func waitForCompletion() throws(Errno) -> Completion? { try ring?.waitForCompletion() }
  private func takeCompletion() -> Completion? { ring?.takeCompletion() }
}
