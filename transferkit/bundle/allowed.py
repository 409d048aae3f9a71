"""The classes of Keras that a bundle may name, written out one by one.

A class is on a list here because it computes something from tensors and from plain values in its
configuration. What runs code that a file brings (`Lambda`, `JaxLayer`), calls back into Python
(`Map`, `Cond`) or opens a path that a file names (`TFSMLayer`, `StringLookup`) is not, and a class
that a later Keras adds is not until somebody has looked at it.
"""

from __future__ import annotations

__all__ = ["ALLOWED", "DENIED_LAYERS", "LAYERS", "NETWORKS", "POLICIES"]


def _each_dimension(*names: str) -> frozenset[str]:
    return frozenset(f"{name}{n}D" for name in names for n in (1, 2, 3))


_OTHER_LAYERS = """
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention AugMix
    AutoContrast Average BatchNormalization Bidirectional CategoryEncoding CenterCrop
    Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1DTranspose Conv2DTranspose
    Conv3DTranspose CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU
    EinsumDense Embedding Equalization Flatten GRU GRUCell GaussianDropout GaussianNoise
    GroupNormalization GroupQueryAttention HashedCrossing Hashing Identity InputLayer LSTM
    LSTMCell LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes Maximum MelSpectrogram
    Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline
    RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
    RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur
    RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
    RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector
    Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D
    SeparableConv2D SimpleRNN SimpleRNNCell Softmax Solarization SpectralNormalization
    StackedRNNCells Subtract TimeDistributed UnitNormalization
"""
LAYERS = _each_dimension(
    "AdaptiveAveragePooling",
    "AdaptiveMaxPooling",
    "AveragePooling",
    "Conv",
    "ConvLSTM",
    "Cropping",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "MaxPooling",
    "SpatialDropout",
    "UpSampling",
    "ZeroPadding",
) | frozenset(_OTHER_LAYERS.split())

DENIED_LAYERS = {
    "FlaxLayer": "runs a function that the file brings",
    "InputSpec": "is no layer",
    "IntegerLookup": "can read a vocabulary from a path in the file",
    "JaxLayer": "runs a function that the file brings",
    "Lambda": "runs a function that the file brings",
    "Layer": "is abstract",
    "StringLookup": "can read a vocabulary from a path in the file",
    "TFSMLayer": "opens a SavedModel at a path in the file",
    "TextVectorization": "can read a vocabulary from a path in the file",
    "TorchModuleWrapper": "unpickles a module that the file brings",
    "Wrapper": "is abstract",
}

_INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform
    Ones Orthogonal RandomNormal RandomUniform STFT TruncatedNormal VarianceScaling Zeros
"""
_NUMPY_OPS = """
    Absolute Add Amax Amin Argmax Argmin Average BroadcastTo Ceil Clip Concatenate Cos Cumsum
    Divide DivideNoNan Dot Einsum Equal Exp ExpandDims Expm1 Flip Floor FloorDivide GetItem
    Greater GreaterEqual Less LessEqual Log Log10 Log1p Log2 LogicalAnd LogicalNot LogicalOr
    Matmul Max Maximum Mean Min Minimum Mod Moveaxis Multiply Negative NotEqual Pad Power Prod
    Ravel Reciprocal Repeat Reshape Roll Round Sign Sin Split Sqrt Square Squeeze Stack Std
    Subtract Sum Swapaxes Take Tanh Tensordot Tile Transpose TrueDivide Var Where
"""
_NN_OPS = """
    AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm Celu Conv ConvTranspose
    DepthToSpace DepthwiseConv DotProductAttention Elu Gelu Glu HardShrink HardSigmoid HardSilu
    HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax MaxPool Moments Normalize OneHot RMSNorm
    Relu Relu6 Selu SeparableConv Sigmoid Silu SoftShrink Softmax Softplus Softsign SpaceToDepth
    Sparsemax Squareplus TanhShrink Threshold
"""
_IMAGE_OPS = "CropImages ExtractPatches PadImages RGBToGrayscale RGBToHSV HSVToRGB Resize"

NETWORKS = frozenset({("keras.src.models.functional", "Functional"), ("keras", "Sequential")})
"""What the outermost entry may be, and what may be nested."""

ALLOWED: frozenset[tuple[str, str]] = NETWORKS | frozenset(
    (module, name)
    for module, names in {
        "keras": ["DTypePolicy"],
        "keras.constraints": ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"],
        "keras.initializers": _INITIALIZERS.split(),
        "keras.layers": sorted(LAYERS),
        "keras.random": ["SeedGenerator"],
        "keras.regularizers": ["L1", "L1L2", "L2", "OrthogonalRegularizer"],
        "keras.src.applications.convnext": ["LayerScale", "StochasticDepth"],
        "keras.src.applications.inception_resnet_v2": ["CustomScaleLayer"],
        "keras.src.ops.core": ["Cast", "SaturateCast", "StopGradient", "Unstack"],
        "keras.src.ops.image": _IMAGE_OPS.split(),
        "keras.src.ops.math": ["Erf", "Logsumexp", "Rsqrt"],
        "keras.src.ops.nn": _NN_OPS.split(),
        "keras.src.ops.numpy": _NUMPY_OPS.split(),
    }.items()
    for name in names
)
"""(module, class name) as Keras writes them; an operation like ``x[..., ::-1]`` is one too."""

_WIDENED = ("bfloat16", "float16", "mixed_bfloat16", "mixed_float16")
_KEPT = "bool float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64"
POLICIES = {name: name for name in _KEPT.split()} | dict.fromkeys(_WIDENED, "float32")
"""The dtype policies that a layer may have, and the one that it gets when it is loaded.

A model that trained in half precision predicts in float32. Nothing is ever narrowed.
"""
