//! The predefined machine types, as of autumn 2025, without TPUs and X4:
//! <https://cloud.google.com/compute/docs/machine-resource>.

/// The regular types: names with `{}` for the vCPUs, GiB of memory for each vCPU, and the numbers
/// of vCPUs.
pub const ROWS: &[(&str, f64, &[u32])] = &[
    ("c2-standard-{}", 4.0, &[4, 8, 16, 30, 60]),
    ("c2d-highcpu-{}", 2.0, C2D),
    ("c2d-highmem-{}", 8.0, C2D),
    ("c2d-standard-{}", 4.0, C2D),
    ("c3-highcpu-{}", 2.0, C3),
    ("c3-highmem-{}", 8.0, C3),
    ("c3-standard-{}", 4.0, C3),
    ("c3-standard-{}-lssd", 4.0, C3),
    ("c3d-highcpu-{}", 2.0, &[4, 8, 16]),
    // 59 GiB for each 30.
    ("c3d-highcpu-{}", 1.967, &[30, 60, 90, 180, 360]),
    ("c3d-highmem-{}", 8.0, C3D),
    ("c3d-highmem-{}-lssd", 8.0, C3D_SSD),
    ("c3d-standard-{}", 4.0, C3D),
    ("c3d-standard-{}-lssd", 4.0, C3D_SSD),
    ("c4-highcpu-{}", 2.0, C4),
    ("c4-highmem-{}", 7.75, C4),
    ("c4-highmem-{}-lssd", 7.75, C4_SSD),
    ("c4-standard-{}", 3.75, C4),
    ("c4-standard-{}-lssd", 3.75, C4_SSD),
    ("c4a-highcpu-{}", 2.0, C4A),
    ("c4a-highmem-{}", 8.0, C4A),
    ("c4a-highmem-{}-lssd", 8.0, C4A_SSD),
    ("c4a-standard-{}", 4.0, C4A),
    ("c4a-standard-{}-lssd", 4.0, C4A_SSD),
    ("c4d-highcpu-{}", 1.875, C4D),
    ("c4d-highmem-{}", 7.875, C4D),
    ("c4d-highmem-{}-lssd", 7.875, C4D_SSD),
    ("c4d-standard-{}", 3.875, C4D),
    ("c4d-standard-{}-lssd", 3.875, C4D_SSD),
    ("e2-highcpu-{}", 1.0, &[2, 4, 8, 16, 32]),
    ("e2-highmem-{}", 8.0, &[2, 4, 8, 16]),
    ("e2-standard-{}", 4.0, &[2, 4, 8, 16, 32]),
    ("g2-standard-{}", 4.0, &[4, 8, 12, 16, 24, 32, 48, 96]),
    ("g4-standard-{}", 3.75, &[48, 96, 192, 384]),
    ("n1-highcpu-{}", 0.9, &[2, 4, 8, 16, 32, 64, 96]),
    ("n1-highmem-{}", 6.5, &[2, 4, 8, 16, 32, 64, 96]),
    ("n1-standard-{}", 3.75, &[1, 2, 4, 8, 16, 32, 64, 96]),
    ("n2-highcpu-{}", 1.0, N2),
    ("n2-highmem-{}", 8.0, N2),
    ("n2-standard-{}", 4.0, N2),
    ("n2d-highcpu-{}", 1.0, N2),
    ("n2d-highcpu-{}", 1.0, &[128, 224]),
    ("n2d-highmem-{}", 8.0, N2),
    ("n2d-standard-{}", 4.0, N2),
    ("n2d-standard-{}", 4.0, &[128, 224]),
    ("n4-highcpu-{}", 2.0, N4),
    ("n4-highmem-{}", 8.0, N4),
    ("n4-standard-{}", 4.0, N4),
    ("n4a-highcpu-{}", 2.0, N4A),
    ("n4a-highmem-{}", 8.0, N4A),
    ("n4a-standard-{}", 4.0, N4A),
    ("n4d-highcpu-{}", 2.0, N2),
    ("n4d-highmem-{}", 8.0, N2),
    ("n4d-standard-{}", 4.0, N2),
    ("t2a-standard-{}", 4.0, &[1, 2, 4, 8, 16, 32, 48]),
    ("t2d-standard-{}", 4.0, &[1, 2, 4, 8, 16, 32, 48, 60]),
    ("z3-highmem-{}", 8.0, &[88, 176]),
    ("z3-highmem-{}-highlssd", 8.0, &[8, 16, 22, 32, 44, 88]),
    ("z3-highmem-{}-standardlssd", 8.0, &[14, 22, 44, 88]),
];

/// The types that do not fit a row: vCPUs and GiB of memory.
pub const IRREGULAR: &[(&str, u32, f64)] = &[
    ("a2-highgpu-1g", 12, 85.0),
    ("a2-highgpu-2g", 24, 170.0),
    ("a2-highgpu-4g", 48, 340.0),
    ("a2-highgpu-8g", 96, 680.0),
    ("a2-megagpu-16g", 96, 1360.0),
    ("a2-ultragpu-1g", 12, 170.0),
    ("a2-ultragpu-2g", 24, 340.0),
    ("a2-ultragpu-4g", 48, 680.0),
    ("a2-ultragpu-8g", 96, 1360.0),
    ("a3-edgegpu-8g", 208, 1872.0),
    ("a3-highgpu-1g", 26, 234.0),
    ("a3-highgpu-2g", 52, 468.0),
    ("a3-highgpu-4g", 104, 936.0),
    ("a3-highgpu-8g", 208, 1872.0),
    ("a3-megagpu-8g", 208, 1872.0),
    ("a3-ultragpu-8g", 224, 2952.0),
    ("a4-highgpu-8g", 224, 3968.0),
    ("a4x-highgpu-4g", 140, 884.0),
    ("c3-highcpu-192-metal", 192, 512.0),
    ("c3-highmem-192-metal", 192, 1536.0),
    ("c3-standard-192-metal", 192, 768.0),
    ("c4-highmem-288-metal", 288, 2232.0),
    ("c4-highmem-288-lssd-metal", 288, 2232.0),
    ("c4-standard-288-metal", 288, 1080.0),
    ("c4-standard-288-lssd-metal", 288, 1080.0),
    ("c4d-highcpu-384-metal", 384, 768.0),
    ("c4d-highmem-384-metal", 384, 3072.0),
    ("c4d-standard-384-metal", 384, 1536.0),
    ("e2-medium", 2, 4.0),
    ("e2-micro", 2, 1.0),
    ("e2-small", 2, 2.0),
    ("f1-micro", 1, 0.6),
    ("g1-small", 1, 1.7),
    ("h3-standard-88", 88, 352.0),
    ("h4d-highmem-192", 192, 1488.0),
    ("h4d-highmem-192-lssd", 192, 1488.0),
    ("h4d-standard-192", 192, 720.0),
    ("m1-megamem-96", 96, 1433.6),
    ("m1-ultramem-40", 40, 961.0),
    ("m1-ultramem-80", 80, 1922.0),
    ("m1-ultramem-160", 160, 3844.0),
    ("m2-hypermem-416", 416, 8832.0),
    ("m2-megamem-416", 416, 5888.0),
    ("m2-ultramem-208", 208, 5888.0),
    ("m2-ultramem-416", 416, 11_776.0),
    ("m3-megamem-64", 64, 976.0),
    ("m3-megamem-128", 128, 1952.0),
    ("m3-ultramem-32", 32, 976.0),
    ("m3-ultramem-64", 64, 1952.0),
    ("m3-ultramem-128", 128, 3904.0),
    ("m4-hypermem-16", 16, 248.0),
    ("m4-hypermem-32", 32, 496.0),
    ("m4-hypermem-64", 64, 992.0),
    ("m4-megamem-28", 28, 372.0),
    ("m4-megamem-56", 56, 744.0),
    ("m4-megamem-112", 112, 1488.0),
    ("m4-megamem-224", 224, 2976.0),
    ("m4-ultramem-56", 56, 1488.0),
    ("m4-ultramem-112", 112, 2976.0),
    ("m4-ultramem-224", 224, 5952.0),
    ("n2-highmem-128", 128, 864.0),
    ("n2-standard-128", 128, 512.0),
    ("z3-highmem-176-standardlssd", 176, 1406.0),
    ("z3-highmem-192-highlssd-metal", 192, 1536.0),
];

/// The shared-core types:
/// <https://cloud.google.com/compute/docs/general-purpose-machines#sharedcore>.
pub const SHARED_CORE: &[&str] = &["e2-medium", "e2-micro", "e2-small", "f1-micro", "g1-small"];

/// The prefixes of the names of Arm types.
pub const ARM: &[&str] = &["a4x-", "c4a-", "n4a-", "t2a-"];

/// The series with custom types.
pub const CUSTOM: &[&str] = &["e2", "g2", "n1", "n2", "n2d", "n4", "n4a", "n4d"];

const C2D: &[u32] = &[2, 4, 8, 16, 32, 56, 112];
const C3: &[u32] = &[4, 8, 22, 44, 88, 176];
const C3D: &[u32] = &[4, 8, 16, 30, 60, 90, 180, 360];
const C3D_SSD: &[u32] = &[8, 16, 30, 60, 90, 180, 360];
const C4: &[u32] = &[2, 4, 8, 16, 24, 32, 48, 96, 144, 192, 288];
const C4_SSD: &[u32] = &[4, 8, 16, 24, 32, 48, 96, 144, 192, 288];
const C4A: &[u32] = &[1, 2, 4, 8, 16, 32, 48, 64, 72];
const C4A_SSD: &[u32] = &[4, 8, 16, 32, 48, 64, 72];
const C4D: &[u32] = &[2, 4, 8, 16, 32, 48, 64, 96, 192, 384];
const C4D_SSD: &[u32] = &[8, 16, 32, 48, 64, 96, 192, 384];
const N2: &[u32] = &[2, 4, 8, 16, 32, 48, 64, 80, 96];
const N4: &[u32] = &[2, 4, 8, 16, 32, 48, 64, 80];
const N4A: &[u32] = &[1, 2, 4, 8, 16, 32, 48, 64];
