// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Linux

/// What may go wrong on the driver's side. The cases say who is to blame: the host (`system`), the backend
/// (`closed` to `deviceFault`), or the caller's sizes (`outOfMemory`, `queueFull`).
public enum FrontendError: Error, Equatable, Sendable {
  /// A system call failed.
  case system(Errno)
  /// The backend closed the connection.
  case closed
  /// The backend did not answer in time.
  case timedOut
  /// The answer to `request` is not what the specification allows.
  case malformedReply(request: UInt32, reason: String)
  /// The backend answered `request` with a non-zero code, or a config access with an empty payload.
  case refused(request: UInt32, code: UInt64)
  /// The device wrote something into a ring that no device may write.
  case deviceFault(String)
  /// Guest memory has no run of that size left.
  case outOfMemory(byteCount: Int)
  /// The ring has fewer free descriptors than the chain needs.
  case queueFull
}

/// Runs a kernel call and turns its errno into a `FrontendError`.
func onHost<Value: ~Copyable>(_ call: () throws(Errno) -> Value) throws(FrontendError) -> Value {
  do {
    return try call()
  } catch {
    throw .system(error)
  }
}
