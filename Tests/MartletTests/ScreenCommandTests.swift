// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Synchronization
import Testing

/// `martlet screen`. Invariants: a file is written when the whole picture is there and not otherwise; its format is
/// what its name says, unless told; what is wrong is one sentence, with exit code 2 where the person can mend the
/// command and 1 where the daemon said no.
@Suite(.enabled(if: Programs.isThere, Programs.missing), .timeLimit(.minutes(30)))
struct ScreenCommandTests {
  /// A control socket whose every request gets the same answer.
  private final class Desk: Sendable {
    let path = "/tmp/mtt-desk-\(UInt32.random(in: .min ... .max))"
    private let asked = Mutex<[String]>([])
    private let wake: SharedDescriptor

    init(_ answer: [UInt8]) throws {
      let listener = try ListeningSocket(path: path, mode: 0o600)
      wake = SharedDescriptor(try listener.file.duplicate())
      let thread = try Linux.Thread(name: "desk") { [weak self] in
        while let socket = try? listener.accept() {
          var none = ReceivedDescriptors()
          let line = (try? socket.receiveOnce(atMost: 1000, descriptors: &none)) ?? []
          self?.asked.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
          try? socket.send(answer)
          socket.shutDown()
        }
      }
      thread.letGo()
    }

    deinit {
      try? FileManager.default.removeItem(atPath: path)
    }

    var lines: [String] { asked.withLock { $0 } }
  }

  private static func ask(_ words: [String], _ path: String, in place: Workplace? = nil) async throws -> Outcome {
    try await RunningProgram.martlet(["screen"] + words + ["--control-socket", path], in: place)
  }

  private static let ppm = Array("P6\n2 1\n255\n".utf8) + [10, 13, 32, 0, 255, 1]
  /// One grey pixel, made by another program.
  private static let png = [UInt8](
    Data(
      base64Encoded: "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")!)

  @Test(arguments: [
    (["shot", "a.ppm"], "screenshot 0 ppm", "a.ppm", ppm),
    (["shot", "a.PNG", "--screen=3"], "screenshot 3 png", "a.PNG", png),
    (["shot", "a.picture"], "screenshot 0 png", "a.picture", png),
    (["shot", "a.png", "--format", "ppm"], "screenshot 0 ppm", "a.png", ppm),
  ])
  func aPictureGoesIntoItsFile(_ words: [String], _ line: String, _ file: String, _ picture: [UInt8]) async throws {
    let desk = try Desk(picture)
    let place = try Workplace()
    try place.write(file, "an older picture, and a longer one than the new one is, by far, whatever it shows")
    let outcome = try await Self.ask(words, desk.path, in: place)
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty)
    #expect(desk.lines == [line + "\n"])
    #expect(FileManager.default.contents(atPath: place.file(file)).map { [UInt8]($0) } == picture)
  }

  private static let broken: [[UInt8]] = [
    Array(png.dropLast()), Array(png.dropFirst()), [], ppm + [0], Array(ppm.dropLast()), Array("hello".utf8),
  ]

  @Test(arguments: broken)
  func whatIsNoWholePictureIsNotWritten(_ answer: [UInt8]) async throws {
    let desk = try Desk(answer)
    for file in ["a.png", "a.ppm"] {
      let place = try Workplace()
      try place.write(file, "older")
      let outcome = try await Self.ask(["shot", file], desk.path, in: place)
      #expect(outcome.status == 1 && outcome.errorLines.count == 1, "\(outcome.errors)")
      #expect(try String(contentsOfFile: place.file(file), encoding: .utf8) == "older")
      #expect(!place.exists(file + ".new"))
    }
  }

  @Test func aPictureGoesToStandardOutput() async throws {
    // Bytes that are text, so that the outcome can hold them.
    let picture = Array("P6\n1 1\n255\nabc".utf8)
    let desk = try Desk(picture)
    for words in [["shot", "--format=ppm"], ["shot", "-", "--format=ppm"]] {
      let outcome = try await Self.ask(words, desk.path)
      #expect(outcome.status == 0 && outcome.output == "P6\n1 1\n255\nabc")
    }
  }

  @Test func listsAndResizesAreTheDaemonsToAnswer() async throws {
    let desk = try Desk(Array("as the daemon says\n".utf8))
    for words in [
      ["list"], ["list", "--json"], ["resize", "640x480"], ["resize", "640x480", "--screen=2", "--json"],
    ] {
      let outcome = try await Self.ask(words, desk.path)
      #expect(outcome.status == 0 && outcome.output == "as the daemon says\n" && outcome.errors.isEmpty)
    }
    #expect(desk.lines == ["screens\n", "screens json\n", "resize 0 640x480\n", "resize 2 640x480 json\n"])
  }

  @Test func whatIsWrongIsOneSentence() async throws {
    let desk = try Desk(Array("error: screen 0 shows nothing\n".utf8))
    let dark = try await Self.ask(["shot", "a.png"], desk.path)
    #expect(dark.status == 1 && dark.errors == "martlet: screen 0 shows nothing\n")
    let absent = try await Self.ask(["list"], desk.path + "x")
    #expect(absent.status == 1 && absent.errorLines.count == 1)
    for words in [["shot", "a.png", "--format=gif"], ["resize"], ["shot", "a", "b"], ["shot", "--screen=one"]] {
      let outcome = try await Self.ask(words, desk.path)
      #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(words): \(outcome.errors)")
    }
    let place = try Workplace()
    let picture = try Desk(Self.png)
    let nowhere = try await Self.ask(["shot", "no/folder/a.png"], picture.path, in: place)
    #expect(nowhere.status == 1 && nowhere.errors.contains("cannot write no/folder/a.png"))
  }
}
