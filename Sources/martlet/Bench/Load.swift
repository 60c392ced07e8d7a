// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a slot does over and over. An operation is one or more requests in a row; a load keeps where each slot stands.
// Called for every answer: no allocation, no look-ups.

internal import Frontend
internal import FuseProtocol
internal import Linux

/// An answer that a load did not expect.
struct LoadError: Error {
  let message: String

  /// The answer's error number, where it should have been 0 or `expected`.
  static func check(_ header: FuseOutHeader, _ operation: FuseOpcode, expected: Int32 = 0) throws(LoadError) {
    guard header.error == -expected else {
      throw LoadError(message: "\(operation) was answered with \(Errno(-header.error).message)")
    }
  }
}

enum LoadProgress {
  /// The next request of the operation was sent.
  case goesOn
  /// So many operations are done; the slot is free.
  case done(Int)
}

/// Requests in flight on one queue. Has one owner.
protocol DrivenLane: AnyObject {
  var queue: DriverQueue { get }
  var slotCount: Int { get }
  /// Requests in the device's hands.
  var inFlightCount: Int { get }
  /// The next slot whose answer is there, and what the ring says about it: the bytes that the device wrote, or the
  /// status of a block request.
  func takeAnswer() throws(FrontendError) -> (slot: Int, detail: Int)?
  /// Lets the device see what was sent.
  func flush()
  func wait(pollNanoseconds: Int64, timeoutNanoseconds: Int64) throws(FrontendError)
}

extension FuseLane: DrivenLane {
  func takeAnswer() throws(FrontendError) -> (slot: Int, detail: Int)? {
    try take().map { ($0.slot, $0.byteCount) }
  }
}

extension BlockLane: DrivenLane {
  func takeAnswer() throws(FrontendError) -> (slot: Int, detail: Int)? {
    try take().map { ($0.slot, Int($0.status)) }
  }
}

protocol Load<Lane>: AnyObject {
  associatedtype Lane: DrivenLane
  /// Sends the first request of an operation.
  func begin(_ lane: Lane, _ slot: Int)
  /// Takes an answer.
  /// - Parameter detail: see `DrivenLane.takeAnswer`.
  func advance(_ lane: Lane, _ slot: Int, _ detail: Int) throws(LoadError) -> LoadProgress
  /// What has to be put right between two passes, unmeasured. Nil: nothing, so passes are as long as the clock says.
  var betweenPasses: (() throws(HumanError) -> Void)? { get }
  /// Gives back what the guest would hold at the end.
  func finish() throws(HumanError)
}

extension Load {
  var betweenPasses: (() throws(HumanError) -> Void)? { nil }
  func finish() throws(HumanError) {}
}
