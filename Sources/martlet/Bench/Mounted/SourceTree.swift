// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A tree of files like that of a program's sources: many small ones, few large ones, in directories of directories. The
// same bytes in every run.

internal import Linux
internal import Wire

enum SourceTree {
  private static let directoryCount = 60
  private static let filesPerDirectory = 25
  private static let unitCount = 10
  private static let headerCount = 20

  static let unitNames = (0..<unitCount).map { "unit\($0).c" }

  private static let words = [
    "int", "value", "buffer", "queue", "return", "static", "index", "request", "if", "length", "offset", "struct",
    "while", "count", "table", "node", "const", "char", "void", "size_t", "next", "flags", "for", "else", "state",
  ]

  static func write(in place: String) throws(HumanError) {
    var dice = Dice(2026)
    do throws(Errno) {
      try HostFiles.makeDirectory(place)
      var directories = [place]
      for number in 0..<directoryCount {
        // Below any of those that are there: a tree, not a comb.
        let parent = directories[Int(dice.below(UInt64(min(directories.count, 12))))]
        let directory = "\(parent)/part\(number)"
        try HostFiles.makeDirectory(directory)
        directories.append(directory)
        for file in 0..<filesPerDirectory {
          try HostFiles.write(text(byteCount: size(&dice), &dice), to: "\(directory)/file\(file).c")
        }
      }
    } catch {
      throw .failure("cannot make a tree of files in \(place): \(error.message)")
    }
  }

  /// Six of ten are below 8 KiB, one is up to 128 KiB.
  private static func size(_ dice: inout Dice) -> Int {
    switch dice.below(10) {
    case 0..<6: Int(400 + dice.below(7_600))
    case 6..<9: Int(8_000 + dice.below(24_000))
    default: Int(32_000 + dice.below(96_000))
    }
  }

  private static func text(byteCount: Int, _ dice: inout Dice) -> String {
    var text = ""
    var column = 0
    while text.utf8.count < byteCount {
      let word = words[Int(dice.below(UInt64(words.count)))]
      column += word.utf8.count + 1
      text += column > 76 ? ";\n  " + word : " " + word
      if column > 76 { column = 2 + word.utf8.count }
    }
    return text + ";\n"
  }

  /// A program of a dozen units that all include the same headers.
  static func writeUnits(in place: String) throws(HumanError) {
    do throws(Errno) {
      try HostFiles.makeDirectory(place)
      for number in 0..<headerCount {
        let below = number == 0 ? "" : "#include \"part\(number - 1).h\"\n"
        let body = (0..<12).map { "static inline long part\(number)_\($0)(long a) { return a * \($0) + \(number); }\n" }
        try HostFiles.write("#pragma once\n" + below + body.joined(), to: "\(place)/part\(number).h")
      }
      for number in 0..<unitCount {
        let last = headerCount - 1
        let functions = (0..<10).map { index in
          """
          long unit\(number)_\(index)(long a) {
            long sum = 0;
            for (long i = 0; i < a; i++) sum += part\((index + number) % headerCount)_\(index)(i) ^ sum;
            return sum;
          }

          """
        }
        let main = number == 0 ? "int main(void) { return (int)(unit0_1(3) & 1); }\n" : ""
        try HostFiles.write(
          "#include \"part\(last).h\"\n" + functions.joined() + main, to: "\(place)/unit\(number).c")
      }
    } catch {
      throw .failure("cannot make sources to compile in \(place): \(error.message)")
    }
  }
}
