// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Linux

/// Why a FUSE request got no good answer.
public enum FuseError: Error, Equatable, Sendable {
  /// The server answered with an error number.
  case refused(Errno)
  /// The answer is one that Linux would not take.
  case malformed(String)
  /// There was no answer: the queue or the connection failed.
  case transport(FrontendError)
}

/// Runs a call of the layer below and turns its error into a `FuseError`.
func onTransport<Value>(_ call: () throws(FrontendError) -> Value) throws(FuseError) -> Value {
  do {
    return try call()
  } catch {
    throw .transport(error)
  }
}
