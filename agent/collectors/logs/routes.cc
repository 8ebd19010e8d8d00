#include "agent/collectors/logs/routes.h"

#include <re2/re2.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr std::size_t kPartsMax = 6;
constexpr std::size_t kWordMax = 32;
constexpr std::size_t kHexMin = 8;
constexpr std::size_t kTokenMin = 16;
constexpr std::string_view kOtherRoute = "other";

bool is_digit_of_route(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter_of_route(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_plain_of_route(char c) {
  return is_digit_of_route(c) || is_letter_of_route(c) || c == '.' || c == '_' || c == '-' ||
         c == '~';
}

bool names_one_thing(std::string_view part) {
  if (part.size() > kWordMax) return true;
  const auto digits =
      static_cast<std::size_t>(std::count_if(part.begin(), part.end(), is_digit_of_route));
  if (digits == 0) return false;
  const bool number = std::none_of(part.begin(), part.end(), is_letter_of_route);
  const bool hexadecimal = std::all_of(part.begin(), part.end(), [](char c) {
    return is_digit_of_route(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-';
  });
  return number || (hexadecimal && part.size() >= kHexMin) || part.size() >= kTokenMin ||
         digits * 2 > part.size();
}

/// "app.3f9a1c22.js" is app.*.js: every release has other names.
std::string template_part(std::string_view part) {
  // Names and addresses of people are not plain.
  if (!std::all_of(part.begin(), part.end(), is_plain_of_route)) return ":id";
  if (!names_one_thing(part)) return std::string(part);
  const std::size_t dot = part.rfind('.');
  const std::string_view end = dot == std::string_view::npos ? "" : part.substr(dot);
  const bool suffix = end.size() > 1 && end.size() <= 6 &&
                      std::all_of(end.begin() + 1, end.end(), is_letter_of_route);
  return suffix ? ":id" + std::string(end) : ":id";
}

}  // namespace

std::string route_template(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#;"));
  // Proxies are asked for whole addresses.
  if (const std::size_t scheme = path.find("://"); scheme != std::string_view::npos) {
    const std::size_t slash = path.find('/', scheme + 3);
    path = slash == std::string_view::npos ? std::string_view("/") : path.substr(slash);
  }
  if (!path.starts_with('/')) return std::string(kOtherRoute);
  std::string route;
  std::size_t parts = 0;
  for (const std::string_view part : base::split(path.substr(1), '/')) {
    if (++parts > kPartsMax) return route + "/...";
    route += '/';
    route += template_part(part);
  }
  return route;
}

struct Routes::State {
  std::vector<std::pair<std::unique_ptr<RE2>, std::string>> patterns;
  std::size_t routes_max = 0;
  std::set<std::string, std::less<>> known;
};

Routes::Routes(std::unique_ptr<State> state) : state_(std::move(state)) {}
Routes::Routes(Routes&&) noexcept = default;
Routes& Routes::operator=(Routes&&) noexcept = default;
Routes::~Routes() = default;

base::Result<Routes> Routes::make(std::vector<RoutePattern> patterns, std::size_t routes_max) {
  auto state = std::make_unique<State>();
  state->routes_max = routes_max;
  for (RoutePattern& one : patterns) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(std::int64_t{1} << 20U);
    auto pattern = std::make_unique<RE2>(one.pattern, options);
    if (!pattern->ok()) {
      return base::error(base::ErrorCode::InvalidArgument,
                         "bad regular expression: " + pattern->error());
    }
    state->patterns.emplace_back(std::move(pattern), std::move(one.route));
  }
  return Routes(std::move(state));
}

std::string Routes::of(std::string_view path, bool begin) {
  const std::string_view plain = path.substr(0, path.find_first_of("?#"));
  for (const auto& [pattern, route] : state_->patterns) {
    if (pattern->Match({plain.data(), plain.size()}, 0, plain.size(), RE2::ANCHOR_START, nullptr,
                       0)) {
      return route;
    }
  }
  std::string route = route_template(path);
  if (state_->known.contains(route)) return route;
  if (!begin || state_->known.size() >= state_->routes_max) return std::string(kOtherRoute);
  state_->known.insert(route);
  return route;
}

}  // namespace tocsin::agent
