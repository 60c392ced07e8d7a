// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import BlockProtocol

/// Why a block request got no good answer.
public enum BlockError: Error, Equatable, Sendable {
  /// The device answered with this status.
  case refused(BlockStatus)
  /// The device answered with something that no driver would take.
  case malformed(String)
  /// There was no answer: the queue or the connection failed.
  case transport(FrontendError)
}

/// Runs a call of the layer below and turns its error into a `BlockError`.
func onBlockTransport<Value>(_ call: () throws(FrontendError) -> Value) throws(BlockError) -> Value {
  do {
    return try call()
  } catch {
    throw .transport(error)
  }
}
