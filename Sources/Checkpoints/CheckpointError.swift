package import JSON
package import Tensors

/// Why a folder is no checkpoint that can be taken. Each case names the path and holds what is wrong there.
package enum CheckpointError: Error, Sendable, Equatable {
  case folder(path: String, FolderFault)
  case header(path: String, HeaderFault)
  case index(path: String, IndexFault)
  case adapter(path: String, AdapterFault)
  /// A mask or a subspace.
  case named(path: String, NamedTensorsFault)
  /// Which files are the model.
  case weights(path: String, WeightsFault)
  /// The tensor is in two files that together are one model.
  case tensorTwice(tensor: String, first: String, second: String)
  case cannotRead(path: String, reason: String)

  /// What is wrong with a folder or a name in it.
  package enum FolderFault: Sendable, Equatable {
    case missing
    case notAFolder
    case noFiles
    case noSafetensors
    case onlyPickles(example: String)
    case specialFile(kind: String)
    case folderLoop
    case danglingLink
    case nameNotUTF8
    case nameWithControlCharacters
    case namesAlike(other: String)
    case hubCache(snapshot: String)
  }

  /// What is wrong with the header of a safetensors file.
  package enum HeaderFault: Sendable, Equatable {
    case fileTooShort(size: Int)
    case lengthOverLimit(length: UInt64, limit: Int)
    case lengthBeyondFile(length: Int, fileSize: Int)
    case gitLFSPointer
    case noBrace(found: UInt8?)
    case notJSON(JSONError)
    case metadataNotText(key: String?, found: String)
    case unknownDType(tensor: String, found: String)
    case missingKey(tensor: String, key: String)
    case unknownKey(tensor: String, key: String)
    case wrongKind(tensor: String, key: String?, expected: String, found: String)
    case backwardOffsets(tensor: String, begin: Int, end: Int)
    case outOfBounds(tensor: String, end: Int, dataSize: Int)
    case overlap(tensor: String, begin: Int, previousEnd: Int)
    case hole(tensor: String, begin: Int, previousEnd: Int)
    case trailingBytes(count: Int)
    case wrongSize(tensor: String, dtype: DType, shape: Shape, expected: Int, found: Int)
    case tooManyElements(tensor: String, dtype: DType, shape: Shape)
    case partialByte(tensor: String, dtype: DType, shape: Shape)
  }

  /// Why it is not told which files are the model.
  package enum WeightsFault: Sendable, Equatable {
    /// A whole file and an index's shards, which hold another tensor of this name.
    case twoModels(first: String, second: String, tensor: String)
    case noWeights(chosen: String)
    /// An adapter, a mask, a subspace or a data set.
    case ownFile(chosen: String, own: String?)
  }

  /// What is wrong with a shard index.
  package enum IndexFault: Sendable, Equatable {
    case tooLong(size: Int, limit: Int)
    case notJSON(JSONError)
    case noWeightMap(found: String)
    case shardNotText(tensor: String, found: String)
    case shardOutside(tensor: String, shard: String)
    case shardMissing(shard: String)
    case tensorMissing(tensor: String, shard: String)
    case tensorUnlisted(tensor: String, shard: String)
  }
}

extension CheckpointError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .folder(let path, let fault): "\(path.quoted) \(fault)"
    case .header(let path, let fault): "\(path.quoted): \(fault)"
    case .index(let path, let fault): "\(path.quoted): \(fault)"
    case .adapter(let path, let fault): "\(path.quoted): \(fault)"
    case .named(let path, let fault): "\(path.quoted): \(fault)"
    case .weights(let path, let fault): "\(path.quoted): \(fault)"
    case .tensorTwice(let tensor, let first, let second):
      "the tensor \(tensor.quoted) is in both \(first.quoted) and \(second.quoted)"
    case .cannotRead(let path, let reason): "cannot read \(path.quoted): \(reason)"
    }
  }

  /// True for what is well-formed but not read.
  package var isUnsupported: Bool {
    switch self {
    case .adapter(_, let fault): fault.isUnsupported
    case .named(_, let fault): fault.isUnsupported
    default: false
    }
  }

  /// One line on how to get past the error, where there is something to say.
  package var hint: String? {
    switch self {
    case .folder(_, .onlyPickles):
      "pickles can run code when loaded; if you trust their author, convert them: python -c \"from transformers import "
        + "AutoModelForCausalLM as M; M.from_pretrained('IN').save_pretrained('OUT', safe_serialization=True)\""
    case .folder(_, .noSafetensors), .folder(_, .noFiles):
      "give the folder that holds model.safetensors or model-00001-of-….safetensors"
    case .folder(let path, .hubCache(let snapshot)): "give \(path.joined(snapshot))"
    case .folder(_, .notAFolder): "give the folder that holds the file"
    case .folder(_, .danglingLink): "the download may be incomplete; fetch the model again"
    case .header(_, .gitLFSPointer): "fetch the real file with: git lfs pull"
    case .header(_, .lengthBeyondFile), .header(_, .outOfBounds), .header(_, .fileTooShort), .index(_, .shardMissing):
      "the download may be incomplete; fetch the model again"
    case .index(_, .tensorUnlisted), .index(_, .tensorMissing), .tensorTwice:
      "files of an older save may be mixed in; keep the files of one save only"
    case .weights(_, .twoModels(let first, _, _)): "say which to take: --weights \(first)"
    case .adapter(_, let fault): fault.hint
    case .named(_, let fault): fault.hint
    default: nil
    }
  }
}

extension CheckpointError.FolderFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .missing: "does not exist"
    case .notAFolder: "is not a folder"
    case .noFiles: "holds no files"
    case .noSafetensors: "holds no .safetensors file"
    case .onlyPickles(let example):
      "holds its weights only as pickles, such as \(example.quoted): expected .safetensors files"
    case .specialFile(let kind): "is a \(kind): expected only files, folders and links to them"
    case .folderLoop: "is a link back to a folder that holds it"
    case .danglingLink: "is a link to a file that does not exist"
    case .nameNotUTF8: "has a name that is not UTF-8"
    case .nameWithControlCharacters: "has a name with control characters"
    case .hubCache: "is a whole cache of the Hugging Face Hub: a snapshot in it expected"
    case .namesAlike(let other): "has the same name as \(other.quoted) but for the Unicode form of its letters"
    }
  }
}

extension CheckpointError.HeaderFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .fileTooShort(let size): "expected at least 8 bytes for the header's length, found \(size)"
    case .lengthOverLimit(let length, let limit): "header of \(length) bytes: expected at most \(limit)"
    case .lengthBeyondFile(let length, let size): "header of \(length) bytes does not fit the file of \(size) bytes"
    case .gitLFSPointer: "expected a safetensors file, found a Git LFS pointer to one"
    case .noBrace(let found):
      "header: expected '{' first, found " + (found.map { "byte 0x" + String($0, radix: 16) } ?? "nothing")
    case .notJSON(let error): "header: \(error)"
    case .metadataNotText(let key?, let found): "__metadata__ \(key.quoted): expected a string, found \(found)"
    case .metadataNotText(nil, let found): "__metadata__: expected an object of strings, found \(found)"
    case .trailingBytes(let count): "\(count) bytes follow the last tensor: expected none"
    default: tensorDescription
    }
  }

  private var tensorDescription: String {
    switch self {
    case .unknownDType(let tensor, let found): "tensor \(tensor.quoted): unknown dtype \(found.quoted)"
    case .missingKey(let tensor, let key): "tensor \(tensor.quoted): expected the key \(key.quoted), found none"
    case .unknownKey(let tensor, let key):
      "tensor \(tensor.quoted): expected dtype, shape and data_offsets, found the key \(key.quoted)"
    case .wrongKind(let tensor, let key, let expected, let found):
      "tensor \(tensor.quoted)" + (key.map { ", " + $0 } ?? "") + ": expected \(expected), found \(found)"
    case .backwardOffsets(let tensor, let begin, let end):
      "tensor \(tensor.quoted): data_offsets run backward, from \(begin) to \(end)"
    case .outOfBounds(let tensor, let end, let dataSize):
      "tensor \(tensor.quoted) ends at byte \(end): expected at most the \(dataSize) bytes of data in the file"
    case .overlap(let tensor, let begin, let previousEnd):
      "tensor \(tensor.quoted) begins at byte \(begin), inside the tensor before it, which ends at \(previousEnd)"
    case .hole(let tensor, let begin, let previousEnd):
      "tensor \(tensor.quoted) begins at byte \(begin): expected \(previousEnd), as holes are not allowed"
    case .wrongSize(let tensor, let dtype, let shape, let expected, let found):
      "tensor \(tensor.quoted): \(dtype.rawValue) \(shape) takes \(expected) bytes, data_offsets span \(found)"
    case .tooManyElements(let tensor, let dtype, let shape):
      "tensor \(tensor.quoted): the size of \(dtype.rawValue) \(shape) does not fit 63 bits"
    case .partialByte(let tensor, let dtype, let shape):
      "tensor \(tensor.quoted): \(dtype.rawValue) \(shape) does not fill whole bytes"
    default: "header is not valid"
    }
  }
}

extension CheckpointError.WeightsFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .twoModels(let first, let second, let tensor):
      "expected one model, found two: \(first.quoted) and \(second.quoted) do not have the same tensor \(tensor.quoted)"
    case .noWeights(let chosen): "expected a safetensors file or its index, found \(chosen.quoted)"
    case .ownFile(let chosen, let own?): "its weights are \(own.quoted), found \(chosen.quoted)"
    case .ownFile(let chosen, nil): "a data set has no weights, found \(chosen.quoted)"
    }
  }
}

extension CheckpointError.IndexFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .tooLong(let size, let limit): "index of \(size) bytes: expected at most \(limit)"
    case .notJSON(let error): "\(error)"
    case .noWeightMap(let found): "weight_map: expected an object, found \(found)"
    case .shardNotText(let tensor, let found):
      "weight_map \(tensor.quoted): expected the name of a file, found \(found)"
    case .shardOutside(let tensor, let shard):
      "weight_map \(tensor.quoted): expected a file beside the index, found the path \(shard.quoted)"
    case .shardMissing(let shard): "names \(shard.quoted), which is not among the safetensors files beside it"
    case .tensorMissing(let tensor, let shard):
      "puts the tensor \(tensor.quoted) in \(shard.quoted), which does not hold it"
    case .tensorUnlisted(let tensor, let shard):
      "does not list the tensor \(tensor.quoted), which is in \(shard.quoted)"
    }
  }
}
