// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How the tool speaks: the conventions of all of Martlet's programs (room Reporting, visible in every file of this
// program by the import here) under the tool's own name.

internal import ArgumentParser
@_exported public import Reporting

extension HumanError {
  /// Prints "martlet: sentence" and ends the process.
  func end() -> Never { end("martlet") }

  static func usage(parsing error: any Error) -> HumanError { usage(parsing: error, of: Martlet.self) }
}

/// Writes "martlet: sentence" to standard error.
func say(_ sentence: String) {
  HumanError.say(sentence, "martlet")
}
