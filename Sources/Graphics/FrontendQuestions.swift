// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the guest asks and the frontend answers, on the display socket: how large its screens are and how they identify
// themselves. A queue's thread asks and goes on with other commands; the display's thread carries the question and
// brings the reply. Nobody waits for a reply on a thread that the frontend may be waiting for, and a question without
// one is settled when its time is up.

internal import GPUProtocol
internal import Linux
internal import Synchronization
internal import Wire

enum FrontendQuestion: Equatable, Sendable {
  case protocolFeatures
  case displayInfo
  case edid(scanout: Int)

  var request: DisplayRequest {
    switch self {
    case .protocolFeatures: .getProtocolFeatures
    case .displayInfo: .getDisplayInfo
    case .edid: .getEDID
    }
  }
}

/// A shared owner of an event.
final class Bell: Sendable {
  let event: Event

  init() throws(Errno) {
    event = try Event()
  }
}

/// The questions to one frontend and its latest replies. From any thread.
final class FrontendQuestions: Sendable {
  private struct Open {
    let ticket: UInt64
    let question: FrontendQuestion
    let deadline: Int64
  }

  private struct State {
    /// The display is gone.
    var isClosed = false
    /// The question on the wire has had its time: until its reply comes after all, others are not worth waiting for.
    var isOverdue = false
    var lastTicket: UInt64 = 0
    /// In the order in which they were asked, which is the order in which they are settled.
    var open: [Open] = []
    /// One at a time, because a reply to GET_EDID does not name its scanout.
    var onWire: FrontendQuestion?
    /// Nil before the frontend has said.
    var features: DisplayProtocolFeatures?
    var displayInfo: GPUDisplayInfo?
    var edids: [Int: GPUEDIDResponse] = [:]
  }

  private let state = Mutex(State())
  private let settled = Atomic<UInt64>(0)
  /// Rung when something is settled, one for each queue that may wait.
  let bells: [Bell]
  /// Rung when there is something to ask.
  private let wake: Bell
  /// How long a reply may take.
  private let patienceNanoseconds: Int64

  init(queueCount: Int, patienceNanoseconds: Int64, wake: Bell) throws(Errno) {
    self.patienceNanoseconds = patienceNanoseconds
    var bells: [Bell] = []
    for _ in 0..<queueCount { bells.append(try Bell()) }
    self.bells = bells
    self.wake = wake
  }

  // MARK: Who asks

  /// Asks, without waiting. Returns what to look at `isSettled` with; nil if waiting is of no use.
  func ask(_ question: FrontendQuestion) -> UInt64? {
    let ticket: UInt64? = state.withLock { state in
      if state.isClosed || state.isOverdue { return nil }
      state.lastTicket += 1
      let deadline = Clock.monotonic + patienceNanoseconds
      state.open.append(Open(ticket: state.lastTicket, question: question, deadline: deadline))
      return state.lastTicket
    }
    if ticket != nil { wake.event.signal() }
    return ticket
  }

  /// True when the reply has come, or will not come any more.
  func isSettled(_ ticket: UInt64) -> Bool { ticket <= settled.load(ordering: .acquiring) }

  /// The latest reply; nil if there was none.
  var displayInfo: GPUDisplayInfo? { state.withLock { $0.displayInfo } }
  func edid(of scanout: Int) -> GPUEDIDResponse? { state.withLock { $0.edids[scanout] } }

  // MARK: The display's thread

  /// What to send now; nil if there is nothing, or a reply is due first.
  func next() -> FrontendQuestion? {
    state.withLock { state -> FrontendQuestion? in
      while state.onWire == nil, let first = state.open.first {
        if case .edid = first.question, let features = state.features, !features.contains(.edid) {
          settle(&state, through: first.ticket)
          continue
        }
        state.onWire = first.question
        return first.question
      }
      return nil
    }
  }

  /// Takes a reply. Returns what it replies to; nil if nobody has asked for it.
  func accept(_ request: DisplayRequest, _ payload: Segment) -> FrontendQuestion? {
    state.withLock { state -> FrontendQuestion? in
      guard let question = state.onWire, question.request == request else { return nil }
      switch question {
      case .protocolFeatures: state.features = payload.load() ?? []
      case .displayInfo: if let info = payload.load(GPUDisplayInfo.self) { state.displayInfo = info }
      case .edid(let scanout): if let edid = payload.load(GPUEDIDResponse.self) { state.edids[scanout] = edid }
      }
      state.onWire = nil
      state.isOverdue = false
      if let first = state.open.first, first.question == question { settle(&state, through: first.ticket) }
      return question
    }
  }

  /// When the first question has had its time.
  var deadline: Int64? { state.withLock { $0.open.first?.deadline } }

  /// Settles everything if the first question has had its time.
  func expire(at now: Int64) {
    state.withLock { state in
      guard let first = state.open.first, first.deadline <= now else { return }
      state.isOverdue = state.onWire != nil
      settle(&state, through: state.lastTicket)
    }
  }

  /// The display is gone: nothing will be answered.
  func close() {
    state.withLock { state in
      state.isClosed = true
      settle(&state, through: state.lastTicket)
    }
  }

  private func settle(_ state: inout State, through ticket: UInt64) {
    state.open.removeAll { $0.ticket <= ticket }
    settled.store(ticket, ordering: .releasing)
    for bell in bells { bell.event.signal() }
  }
}
