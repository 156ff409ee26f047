//! What a request is taken for: its category and complexity, and by which rule (FIX-50 to FIX-53).

use serde::{Deserialize, Serialize};
use vox_contracts::TaskCategory;
use vox_contracts::generated::routing::{
    COMPLEXITY_DEFAULT, COMPLEXITY_MAX, COMPLEXITY_MIN, COMPLEXITY_PREMIUM_FROM, DEFAULT_TASK_CATEGORY,
    TOOL_HINTS, TOOL_HINTS_FLOOR,
};

use crate::request::Request;

/// The kind of work that is decided for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The category.
    pub category: TaskCategory,
    /// What set it.
    pub category_by: CategoryBy,
    /// 1 to 10.
    pub complexity: u8,
    /// What set it: the last rule that changed it.
    pub complexity_by: ComplexityBy,
}

/// What set the category; the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CategoryBy {
    /// Vectors were asked for, and only one category has them.
    Vectors,
    /// The model's name: `vox/<category>`, or an alias with a category.
    Name,
    /// A hint that sources have to be gathered.
    ResearchHint,
    /// The request: a header, its metadata or its shape.
    Request,
    /// The contract's default.
    Default,
}

/// What set the complexity; a later one overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ComplexityBy {
    /// The contract's default.
    Default,
    /// The request.
    Request,
    /// The request's was below the least or above the greatest.
    Clamped,
    /// Many hints that tools will be needed.
    ToolHints,
    /// The category is never simpler.
    CategoryFloor,
}

impl Asked {
    /// By the rules; `named` is the category that the model's name carries.
    #[must_use]
    pub fn of(request: &Request, named: Option<TaskCategory>) -> Self {
        let (category, category_by) = if request.needs.embedding {
            (TaskCategory::Embedding, CategoryBy::Vectors)
        } else if let Some(category) = named {
            (category, CategoryBy::Name)
        } else if request.research_hint {
            (TaskCategory::Research, CategoryBy::ResearchHint)
        } else if let Some(category) = request.category {
            (category, CategoryBy::Request)
        } else {
            (DEFAULT_TASK_CATEGORY, CategoryBy::Default)
        };
        let (complexity, complexity_by) = complexity(request, category);
        Self { category, category_by, complexity, complexity_by }
    }
}

fn complexity(request: &Request, category: TaskCategory) -> (u8, ComplexityBy) {
    let (mut complexity, mut by) = match request.complexity {
        None => (COMPLEXITY_DEFAULT, ComplexityBy::Default),
        Some(stated) => {
            let clamped = stated.clamp(COMPLEXITY_MIN, COMPLEXITY_MAX);
            (clamped, if clamped == stated { ComplexityBy::Request } else { ComplexityBy::Clamped })
        }
    };
    if request.tool_hints >= TOOL_HINTS && complexity < TOOL_HINTS_FLOOR {
        (complexity, by) = (TOOL_HINTS_FLOOR, ComplexityBy::ToolHints);
    }
    let floor = category.info().complexity_floor;
    if complexity < floor {
        (complexity, by) = (floor, ComplexityBy::CategoryFloor);
    }
    (complexity, by)
}

/// Complexities that are ranked alike. Their edges are the contract's figures, so that every rule of the contract that
/// speaks of complexity falls on an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Band {
    /// Below the contract's default: a tier lower than the category's will do.
    Plain,
    /// From the default on: the category's tier.
    Usual,
    /// From the floor of tool hints on: a tier higher, but the highest only where the category prefers it.
    Demanding,
    /// From `premium_from` on: the premium alias of the category.
    Premium,
}

impl Band {
    /// All, ascending.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Usual, Self::Demanding, Self::Premium];

    /// The one of a complexity.
    #[must_use]
    pub const fn of(complexity: u8) -> Self {
        if complexity >= COMPLEXITY_PREMIUM_FROM {
            Self::Premium
        } else if complexity >= TOOL_HINTS_FLOOR {
            Self::Demanding
        } else if complexity >= COMPLEXITY_DEFAULT {
            Self::Usual
        } else {
            Self::Plain
        }
    }
}
