import Foundation
import Testing

/// The short run of the fuzz targets: the whole corpus, and mutations of it.
@Suite struct FuzzingTests {
  @Test(arguments: FuzzTarget.all)
  func everyInputOfTheCorpusIsTaken(target: FuzzTarget) async throws {
    for (name, input) in try Corpus.inputs(of: target) {
      // Others wait for the clock meanwhile.
      await Task.yield()
      #expect(throws: Never.self, "Corpus/\(target.name)/\(name)") { try target.run(input) }
    }
  }

  @Test(arguments: FuzzTarget.all)
  func mutationsOfTheCorpusAreTaken(target: FuzzTarget) async throws {
    let seed = getenv("PLEXUS_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0...(.max))
    // Said first: a trap ends the process.
    print("\(target.name): PLEXUS_SEED=\(seed)")
    let inputs = try Corpus.inputs(of: target).map(\.input)
    var mutator = Mutator(inputs: inputs, random: FuzzRandom(seed: seed))
    for _ in 0..<target.mutations {
      await Task.yield()
      let input = mutator.next()
      do { try target.run(input) } catch {
        Issue.record("PLEXUS_SEED=\(seed), input \(Data(input).base64EncodedString()): \(error)")
        return
      }
    }
  }

  @Test func everyTargetHasACorpus() throws {
    for target in FuzzTarget.all {
      let inputs = try Corpus.inputs(of: target)
      #expect(inputs.count > 3)
      // Git keeps it, and every test run reads it.
      #expect(inputs.count <= 64, "\(target.name) has \(inputs.count) files: merge them")
    }
  }
}

/// The inputs in the repository.
enum Corpus {
  static func inputs(of target: FuzzTarget) throws -> [(name: String, input: [UInt8])] {
    let folder = try #require(
      Bundle.module.url(forResource: target.name, withExtension: nil, subdirectory: "Corpus"))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    return try names.map { name in (name, Array(try Data(contentsOf: folder.appendingPathComponent(name)))) }
  }

  static func input(_ name: String, of target: String) throws -> [UInt8] {
    let folder = try #require(Bundle.module.url(forResource: target, withExtension: nil, subdirectory: "Corpus"))
    return Array(try Data(contentsOf: folder.appendingPathComponent(name)))
  }
}
