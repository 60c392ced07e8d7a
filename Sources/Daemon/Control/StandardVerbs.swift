// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The verbs of every daemon. JSON members are never renamed or dropped; new ones may come.

internal import Reporting
internal import VhostUser

extension ControlDesk {
  var standardVerbs: [ControlVerb] {
    [
      ControlVerb("status", usage: "[ENDPOINT]", summary: "everything below at once") { request throws(HumanError) in
        let services = try services(of: request)
        return request.wantsJSON ? .json(statusJSON(services)) : .text(statusText(services))
      },
      ControlVerb("list", summary: "the endpoints and who is attached") { request throws(HumanError) in
        try expectNothing(request)
        return request.wantsJSON ? .json(.array(services.map { .object(members(of: $0)) })) : .text(list)
      },
      ControlVerb("counters", usage: "[ENDPOINT]", summary: "what was counted since the start") {
        request throws(HumanError) in
        let reports = try services(of: request).map { $0.report }
        return request.wantsJSON
          ? .json(.array(reports.map { .object([$0.nameMember] + $0.counterMembers) }))
          : .text(reports.flatMap { $0.lines }.joined(separator: "\n"))
      },
      ControlVerb("latency", usage: "[ENDPOINT]", summary: "how long operations took, with percentiles") {
        request throws(HumanError) in
        let reports = try services(of: request).map { $0.report }
        return request.wantsJSON
          ? .json(.array(reports.map { .object([$0.nameMember, $0.latencyMember]) }))
          : .text(reports.map { "\($0.name):\n\($0.latencyText)" }.joined(separator: "\n"))
      },
      ControlVerb("log-level", usage: "[LEVEL]", summary: "what is logged from now on: \(ControlDesk.levels)") {
        request throws(HumanError) in try logLevel(request)
      },
      ControlVerb("help", summary: "this list") { request throws(HumanError) in
        try expectNothing(request)
        return request.wantsJSON ? .json(helpJSON) : .text(help)
      },
    ]
  }

  private static let levels = LogThreshold.allCases.map { $0.rawValue }.joined(separator: ", ")

  private func expectNothing(_ request: ControlRequest) throws(HumanError) {
    if let word = request.words.first { throw .failure("'\(word)' has no place here; ask for 'help'") }
  }

  /// All of them, or the one that was named.
  private func services(of request: ControlRequest) throws(HumanError) -> [RunningService] {
    if request.words.isEmpty { return services }
    return [try find(try request.onlyWord("the name of an endpoint"))]
  }

  // MARK: Log level

  private func logLevel(_ request: ControlRequest) throws(HumanError) -> ControlAnswer {
    if !request.words.isEmpty {
      let word = try request.onlyWord("a level")
      guard let level = LogThreshold(rawValue: word.lowercased()) else {
        throw .failure("there is no level '\(word)'; give one of \(ControlDesk.levels)")
      }
      log.set(level)
    }
    let level = log.threshold.rawValue
    return request.wantsJSON ? .json(.object(["log_level": .string(level)])) : .text(level)
  }

  // MARK: Endpoints

  private var list: String {
    var table = TextTable(header: ["", "endpoint", "socket", "frontend"], leftAligned: 4)
    for (number, service) in services.enumerated() {
      table.add(["\(number)", service.name, service.socket, ControlDesk.presence(service.endpoint.frontend)])
    }
    return table.text
  }

  private static func presence(_ frontend: Endpoint.Frontend?) -> String {
    guard let frontend else { return "none" }
    return frontend.process.map { "attached (process \($0))" } ?? "attached"
  }

  private func members(of service: RunningService) -> [JSON.Member] {
    let frontend = service.endpoint.frontend
    return [
      JSON.Member(name: "name", value: .string(service.name)),
      JSON.Member(name: "socket", value: .string(service.socket)),
      JSON.Member(name: "connected", value: .bool(frontend != nil)),
      JSON.Member(name: "frontend_process", value: frontend?.process.map { .number(Int64($0)) } ?? .null),
    ]
  }

  // MARK: Status

  private func statusText(_ services: [RunningService]) -> String {
    let first =
      "\(program.name) \(program.version), process \(process), up \(ControlDesk.duration(uptimeSeconds)), "
      + "log level \(log.threshold.rawValue)\n"
    return first
      + services.map { service in
        let report = service.report
        return """

          \(service.name): socket \(service.socket), frontend \(ControlDesk.presence(service.endpoint.frontend))
          \(report.rings)
          \(report.latencyText)
          """
      }.joined()
  }

  private func statusJSON(_ services: [RunningService]) -> JSON {
    .object([
      "program": .string(program.name),
      "version": .string(program.version),
      "process": .number(Int64(process)),
      "uptime_seconds": .number(uptimeSeconds),
      "log_level": .string(log.threshold.rawValue),
      "endpoints": .array(
        services.map { service in
          let report = service.report
          return .object(members(of: service) + report.counterMembers.dropLast() + [report.latencyMember])
        }),
    ])
  }

  static func duration(_ seconds: Int64) -> String {
    if seconds < 120 { return "\(seconds) s" }
    if seconds < 7200 { return "\(seconds / 60) min" }
    if seconds < 172_800 { return "\(seconds / 3600) h \(seconds / 60 % 60) min" }
    return "\(seconds / 86400) days \(seconds / 3600 % 24) h"
  }

  // MARK: Help

  /// Ours, then those of the devices, each once.
  private var allVerbs: [ControlVerb] {
    var verbs = standardVerbs
    for verb in services.flatMap({ $0.served.verbs }) where !verbs.contains(where: { $0.name == verb.name }) {
      verbs.append(ControlVerb(verb.name, usage: endpointWord + verb.usage, summary: verb.summary, run: verb.run))
    }
    return verbs
  }

  /// A device's verb says which one is meant if there are several.
  private var endpointWord: String { services.count > 1 ? "ENDPOINT " : "" }

  private var help: String {
    var table = TextTable(header: ["request", "answer"], leftAligned: 2)
    for verb in allVerbs { table.add([verb.usage.isEmpty ? verb.name : "\(verb.name) \(verb.usage)", verb.summary]) }
    return table.text + "One request is one line; with 'json' as its last word the answer is JSON.\n"
  }

  private var helpJSON: JSON {
    .array(
      allVerbs.map {
        .object(["verb": .string($0.name), "usage": .string($0.usage), "summary": .string($0.summary)])
      })
  }
}
